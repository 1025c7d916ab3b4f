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

const Request = v.strictObject({
  SecretId: v.string(),
  VersionStage: v.picklist(["AWSCURRENT", "AWSPENDING"]),
});

/** Secrets Manager, as far as GetSecretValue. Secrets that nobody put are missing. */
export class SecretsManager {
  readonly #secrets = new Map<string, Stored>();
  /** Texts of the versions that a rotation has written and not yet made current. */
  readonly #pending = new Map<string, string>();
  #server: Listening | undefined;

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  put(arn: string, answer: AnswerCall): void {
    this.#secrets.set(arn, { answer, calls: 0 });
    this.#pending.delete(arn);
  }

  putPending(arn: string, text: string): void {
    this.#pending.set(arn, text);
  }

  calls(arn: string): number {
    return this.#secrets.get(arn)?.calls ?? 0;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers["x-amz-target"] !== "secretsmanager.GetSecretValue") {
      return fail(response, "UnknownOperationException", "only GetSecretValue is known here");
    }
    const { SecretId, VersionStage } = v.parse(Request, JSON.parse(await bodyOf(request)));
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
