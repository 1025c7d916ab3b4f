import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyOf, type Listening, listen } from "../http.ts";

export interface RdsError {
  readonly code: string;
  readonly message: string;
  readonly status?: number;
}

export interface RdsSnapshot {
  readonly id: string;
  readonly kind: "instance" | "cluster";
  readonly source: string;
  readonly tags: Readonly<Record<string, string>>;
}

const ACTION = /^(Create|Describe)DB(Cluster)?Snapshots?$/;

/** RDS, as far as making snapshots and asking for them. */
export class Rds {
  #server: Listening | undefined;
  readonly #snapshots = new Map<string, RdsSnapshot & { asked: number }>();
  /** What it answers instead, one after the other, by what is asked. */
  readonly errors: { readonly create: RdsError[]; readonly describe: RdsError[] } = {
    create: [],
    describe: [],
  };
  /** How often a snapshot is said to be made before it is ready. */
  asksUntilReady = 2;
  /** What it is then. */
  outcome = "available";
  /** Called when a snapshot is begun. */
  onCreate: () => Promise<void> | void = () => {};

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  get snapshots(): readonly RdsSnapshot[] {
    return [...this.#snapshots.values()].map(({ asked: _, ...snapshot }) => snapshot);
  }

  /** Forgets all. */
  reset(): void {
    this.#snapshots.clear();
    this.errors.create.length = 0;
    this.errors.describe.length = 0;
    this.asksUntilReady = 2;
    this.outcome = "available";
    this.onCreate = () => {};
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await bodyOf(request));
    const [action = "", verb, cluster] = ACTION.exec(form.get("Action") ?? "") ?? [];
    if (verb === undefined)
      return fail(response, { code: "InvalidAction", message: `${form.get("Action")}` });
    const kind = cluster === undefined ? "instance" : "cluster";
    const error = (verb === "Create" ? this.errors.create : this.errors.describe).shift();
    if (error !== undefined) return fail(response, error);
    const name = kind === "cluster" ? "DBClusterSnapshot" : "DBSnapshot";
    const id = form.get(`${name}Identifier`) ?? "";
    if (verb === "Create") {
      const source = form.get(kind === "cluster" ? "DBClusterIdentifier" : "DBInstanceIdentifier") ?? "";
      if (this.#snapshots.has(id)) return fail(response, { code: alreadyExists(name), message: id });
      await this.onCreate();
      this.#snapshots.set(id, { id, kind, source, tags: tagsIn(form), asked: 0 });
    }
    const found = this.#snapshots.get(id);
    if (found === undefined) return fail(response, { code: notFound(name), message: id, status: 404 });
    if (verb === "Describe") found.asked += 1;
    const status = found.asked > this.asksUntilReady ? this.outcome : "creating";
    const one = `<${name}><${name}Identifier>${id}</${name}Identifier><Status>${status}</Status><PercentProgress>42</PercentProgress></${name}>`;
    answer(response, action, verb === "Create" ? one : `<${name}s>${one}</${name}s>`);
  }
}

/** The real service is not consistent in its codes. */
function alreadyExists(name: string): string {
  return name === "DBSnapshot" ? "DBSnapshotAlreadyExists" : "DBClusterSnapshotAlreadyExistsFault";
}

function notFound(name: string): string {
  return name === "DBSnapshot" ? "DBSnapshotNotFound" : "DBClusterSnapshotNotFoundFault";
}

function tagsIn(form: URLSearchParams): Readonly<Record<string, string>> {
  const tags: Record<string, string> = {};
  for (let n = 1; form.has(`Tags.Tag.${n}.Key`); n += 1) {
    tags[form.get(`Tags.Tag.${n}.Key`) ?? ""] = form.get(`Tags.Tag.${n}.Value`) ?? "";
  }
  return tags;
}

const NAMESPACE = 'xmlns="http://rds.amazonaws.com/doc/2014-10-31/"';

function answer(response: ServerResponse, action: string, result: string): void {
  response.writeHead(200, { "content-type": "text/xml" });
  response.end(
    `<${action}Response ${NAMESPACE}><${action}Result>${result}</${action}Result>` +
      `<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`,
  );
}

function fail(response: ServerResponse, { code, message, status = 400 }: RdsError): void {
  response.writeHead(status, { "content-type": "text/xml" });
  response.end(
    `<ErrorResponse ${NAMESPACE}><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>` +
      "<RequestId>1</RequestId></ErrorResponse>",
  );
}
