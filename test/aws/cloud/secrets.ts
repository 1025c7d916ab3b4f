import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { bodyOf, type Listening, listen } from "../http.ts";

/** What becomes of one call of GetSecretValue. */
export type SecretAnswer =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "binary"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly code: string; readonly message: string }
  | { readonly kind: "hang" }
  | { readonly kind: "cut" };

/** Decides about the n-th call (from 1) for the current version of a secret. */
export type AnswerCall = (call: number) => SecretAnswer | Promise<SecretAnswer>;

interface Stored {
  readonly answer: AnswerCall;
  calls: number;
}

const GetRequest = v.strictObject({
  SecretId: v.string(),
  VersionStage: v.picklist(["AWSCURRENT", "AWSPENDING"]),
  VersionId: v.optional(v.string()),
});
const DescribeRequest = v.strictObject({ SecretId: v.string() });
const PutRequest = v.strictObject({
  SecretId: v.string(),
  ClientRequestToken: v.string(),
  SecretString: v.string(),
  VersionStages: v.array(v.string()),
});
const StageRequest = v.strictObject({
  SecretId: v.string(),
  VersionStage: v.string(),
  MoveToVersionId: v.string(),
  RemoveFromVersionId: v.optional(v.string()),
});

interface Version {
  text: string | undefined;
  stages: readonly string[];
}

/** A call of a function, before it takes effect or when only its answer is missing. */
export interface Interruption {
  readonly operation: string;
  readonly moment: "before" | "after";
}

const ListRequest = v.object({
  Filters: v.array(v.object({ Key: v.picklist(["tag-key", "tag-value"]), Values: v.tuple([v.string()]) })),
  NextToken: v.optional(v.string()),
});

interface TaggedSecret {
  readonly ARN: string;
  readonly Name: string;
  readonly Tags: readonly { readonly Key: string; readonly Value: string }[];
}

/** A secret with versions, as a rotation reads and writes it. */
export class RotatedSecret {
  readonly #versions = new Map<string, Version>();
  /** Called for each request; what it throws cuts the connection. */
  interrupt: (call: Interruption) => Promise<void> = async () => {};

  constructor(text: string) {
    this.#versions.set(randomUUID(), { text, stages: ["AWSCURRENT"] });
  }

  /** Text of the version with this stage. */
  text(stage: "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS", id?: string): string | undefined {
    return [...this.#versions].find(
      ([key, { stages }]) => stages.includes(stage) && (id === undefined || id === key),
    )?.[1].text;
  }

  /** As a rotation begins: an empty version that is to become the current one. @returns its id */
  begin(): string {
    const id = randomUUID();
    this.#move("AWSPENDING", id);
    return id;
  }

  /** As the rotation of another function ends: the pending version is the current one, and no longer pending. */
  end(id: string): void {
    this.#makeCurrent(id);
    const version = this.#versions.get(id);
    if (version !== undefined) version.stages = ["AWSCURRENT"];
  }

  /** CloudFormation or a person writes a new value. */
  replace(text: string): void {
    const id = randomUUID();
    this.#versions.set(id, { text, stages: [] });
    this.#makeCurrent(id);
  }

  answer(operation: string, body: unknown): object {
    if (operation === "GetSecretValue") return this.#get(v.parse(GetRequest, body));
    if (operation === "DescribeSecret")
      return { VersionIdsToStages: this.#stages(v.parse(DescribeRequest, body)) };
    if (operation === "PutSecretValue") return this.#put(v.parse(PutRequest, body));
    if (operation === "UpdateSecretVersionStage") return this.#update(v.parse(StageRequest, body));
    throw new Refusal("UnknownOperationException", `${operation} is not known here`);
  }

  #get({ VersionStage, VersionId }: v.InferOutput<typeof GetRequest>): object {
    const text = this.text(VersionStage, VersionId);
    if (text === undefined) throw new Refusal("ResourceNotFoundException", `no version: ${VersionStage}`);
    return { SecretString: text };
  }

  #stages(_: unknown): Record<string, readonly string[]> {
    const labelled = [...this.#versions].filter(([, { stages }]) => stages.length > 0);
    return Object.fromEntries(labelled.map(([id, { stages }]) => [id, stages]));
  }

  #put({
    ClientRequestToken: id,
    SecretString: text,
    VersionStages,
  }: v.InferOutput<typeof PutRequest>): object {
    const version = this.#versions.get(id);
    if (version?.text !== undefined && version.text !== text) {
      throw new Refusal("ResourceExistsException", "the version exists with another value");
    }
    this.#versions.set(id, { text, stages: version?.stages ?? [] });
    for (const stage of VersionStages) this.#move(stage, id);
    return { VersionId: id };
  }

  #update({
    VersionStage,
    MoveToVersionId: id,
    RemoveFromVersionId: from,
  }: v.InferOutput<typeof StageRequest>): object {
    const holder = [...this.#versions].find(([, { stages }]) => stages.includes(VersionStage))?.[0];
    if (holder !== from) throw new Refusal("InvalidParameterException", `${VersionStage} is on ${holder}`);
    if (VersionStage === "AWSCURRENT") this.#makeCurrent(id);
    else this.#move(VersionStage, id);
    return {};
  }

  #makeCurrent(id: string): void {
    const [before] = [...this.#versions].filter(([, { stages }]) => stages.includes("AWSCURRENT"));
    if (before !== undefined) this.#move("AWSPREVIOUS", before[0]);
    this.#move("AWSCURRENT", id);
  }

  #move(stage: string, id: string): void {
    for (const version of this.#versions.values()) {
      version.stages = version.stages.filter((other) => other !== stage);
    }
    const version = this.#versions.get(id) ?? { text: undefined, stages: [] };
    this.#versions.set(id, { ...version, stages: [...version.stages, stage] });
  }
}

class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Secrets Manager, as far as functions call it. Secrets that nobody put are missing. */
export class SecretsManager {
  readonly #secrets = new Map<string, Stored>();
  readonly #rotated = new Map<string, RotatedSecret>();
  /** Texts of the versions that a rotation has written and not yet made current. */
  readonly #pending = new Map<string, string>();
  readonly #tagged: TaggedSecret[] = [];
  #server: Listening | undefined;
  /** How many secrets are listed at once. */
  pageSize = 100;

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Gives a secret a name and tags, by which it is listed. */
  tag(arn: string, name: string, tags: Readonly<Record<string, string>>): void {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    this.#tagged.push({ ARN: arn, Name: name, Tags });
  }

  put(arn: string, answer: AnswerCall): void {
    this.#secrets.set(arn, { answer, calls: 0 });
    this.#rotated.delete(arn);
    this.#pending.delete(arn);
  }

  putPending(arn: string, text: string): void {
    this.#pending.set(arn, text);
  }

  /** Instead of `put`: a secret whose versions functions may read and write. */
  putVersions(arn: string, text: string): RotatedSecret {
    const secret = new RotatedSecret(text);
    this.#rotated.set(arn, secret);
    return secret;
  }

  calls(arn: string): number {
    return this.#secrets.get(arn)?.calls ?? 0;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(request.headers["x-amz-target"]).replace(/^secretsmanager\./, "");
    const body: unknown = JSON.parse(await bodyOf(request));
    if (operation === "ListSecrets") return this.#list(response, v.parse(ListRequest, body));
    const { SecretId } = v.parse(v.object({ SecretId: v.string() }), body);
    const rotated = this.#rotated.get(SecretId);
    if (rotated !== undefined) return answerFrom(rotated, operation, body, response);
    if (operation !== "GetSecretValue") {
      return fail(response, "UnknownOperationException", "only GetSecretValue is known here");
    }
    const { VersionStage } = v.parse(GetRequest, body);
    const stored = this.#secrets.get(SecretId);
    if (stored === undefined) {
      return fail(response, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    }
    if (VersionStage === "AWSPENDING") {
      const text = this.#pending.get(SecretId);
      if (text !== undefined) return send(response, SecretId, { kind: "text", text });
      return fail(response, "ResourceNotFoundException", "Secrets Manager can't find a version: AWSPENDING");
    }
    stored.calls += 1;
    await send(response, SecretId, await stored.answer(stored.calls));
  }

  /** As the real one, it finds beginnings, and the key of one tag with the value of another. */
  #list(response: ServerResponse, { Filters, NextToken = "0" }: v.InferOutput<typeof ListRequest>): void {
    const matches = ({ Tags }: TaggedSecret) =>
      Filters.every(({ Key: filter, Values: [text] }) =>
        Tags.some(({ Key, Value }) => (filter === "tag-key" ? Key : Value).startsWith(text)),
      );
    const all = this.#tagged.filter(matches);
    const from = Number(NextToken);
    const SecretList = all.slice(from, from + this.pageSize);
    const next = from + SecretList.length;
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify({ SecretList, ...(next < all.length ? { NextToken: String(next) } : {}) }));
  }
}

async function answerFrom(
  secret: RotatedSecret,
  operation: string,
  body: unknown,
  response: ServerResponse,
): Promise<void> {
  try {
    await secret.interrupt({ operation, moment: "before" });
    const answer = secret.answer(operation, body);
    await secret.interrupt({ operation, moment: "after" });
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify(answer));
  } catch (error) {
    if (error instanceof Refusal) return fail(response, error.code, error.message);
    response.destroy();
  }
}

async function send(response: ServerResponse, arn: string, answer: SecretAnswer): Promise<void> {
  if (answer.kind === "error") return fail(response, answer.code, answer.message);
  if (answer.kind === "cut") return void response.destroy();
  if (answer.kind === "hang") return sleep(600_000, undefined, { ref: false });
  const value =
    answer.kind === "text"
      ? { SecretString: answer.text }
      : { SecretBinary: Buffer.from(answer.bytes).toString("base64") };
  response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
  response.end(
    JSON.stringify({ ARN: arn, Name: "database", VersionId: "1", VersionStages: ["AWSCURRENT"], ...value }),
  );
}

function fail(response: ServerResponse, code: string, message: string): void {
  response.writeHead(400, { "content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code });
  response.end(JSON.stringify({ __type: code, message }));
}
