import { createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import pg from "pg";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { ClientStream, type ClientUnit, ServerStream } from "../faults/wire.ts";

export interface PoolerOptions {
  /** When a client gives its server connection back. */
  readonly mode: "session" | "transaction" | "statement";
  /** Number of connections to the server. */
  readonly size: number;
  /**
   * Whether clients are told the process id of the server connection that they met first, in place of a number of the
   * pooler's own. @default false
   */
  readonly passesKey?: boolean;
}

export interface Pooler {
  readonly connection: ConnectionSettings;
  close(): Promise<void>;
}

/**
 * A connection pooler like PgBouncer, on the level of the protocol. It resets nothing when a client gives a server
 * connection back: what a client leaves in it, the next one meets.
 */
export async function startPooler(target: ConnectionSettings, options: PoolerOptions): Promise<Pooler> {
  const pool = new Pool(await Promise.all(Array.from({ length: options.size }, () => connectTo(target))));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    new PooledClient(socket, pool, options);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the pooler has no port");
  return {
    connection: { ...target, host: "127.0.0.1", port: address.port },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      pool.close();
    },
  };
}

/** One connection to the server. */
interface Backend {
  readonly pid: number;
  readonly stream: Duplex;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Lets the driver connect and log in, then takes its socket. */
async function connectTo({ host, port, database, user, password }: ConnectionSettings): Promise<Backend> {
  const client = new pg.Client({ host, port, database, user, password, ssl: false });
  client.on("error", () => {});
  const parameters = new Map<string, string>();
  client.connection.on("parameterStatus", (status: { parameterName: string; parameterValue: string }) =>
    parameters.set(status.parameterName, status.parameterValue),
  );
  await client.connect();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const { stream } = client.connection;
  stream.removeAllListeners("data");
  return { pid: rows[0]?.pid ?? 0, stream, parameters };
}

/** Hands out the connection that was used last; who finds none waits in a queue. */
class Pool {
  readonly #all: readonly Backend[];
  readonly #idle: Backend[];
  readonly #waiting: ((backend: Backend) => void)[] = [];

  constructor(backends: readonly Backend[]) {
    this.#all = backends;
    this.#idle = [...backends];
  }

  /** The one that is handed out next, when all are idle. */
  get first(): Backend {
    const first = this.#all.at(-1);
    if (first === undefined) throw new Error("the pool has no connection");
    return first;
  }

  take(): Promise<Backend> {
    const backend = this.#idle.pop();
    return backend === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(backend);
  }

  giveBack(backend: Backend): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(backend);
    else next(backend);
  }

  close(): void {
    for (const { stream } of this.#all) stream.destroy();
  }
}

class PooledClient {
  readonly #socket: Socket;
  readonly #pool: Pool;
  readonly #options: PoolerOptions;
  #backend: Backend | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(socket: Socket, pool: Pool, options: PoolerOptions) {
    this.#socket = socket;
    this.#pool = pool;
    this.#options = options;
    const units = new ClientStream();
    socket.on("data", (chunk) => {
      for (const unit of units.push(chunk)) this.#work = this.#work.then(() => this.#handle(unit));
    });
    socket.on("close", () => {
      this.#work = this.#work.then(() => this.#leave());
    });
  }

  async #handle({ kind, bytes }: ClientUnit): Promise<void> {
    if (kind === "setup") this.#welcome(bytes);
    else if (kind === "bye") this.#socket.end();
    else await this.#pass(bytes);
  }

  #welcome(startup: Buffer): void {
    // A request to cancel is not supported.
    if (startup.readInt32BE(4) !== PROTOCOL_3) return void this.#socket.end();
    const { parameters, pid } = this.#pool.first;
    const key = Buffer.alloc(8);
    key.writeInt32BE(this.#options.passesKey ? pid : 1_000_000_000 + Math.floor(Math.random() * 1e9), 0);
    this.#socket.write(
      Buffer.concat([
        message("R", Buffer.alloc(4)),
        ...[...parameters].map(([name, value]) => message("S", Buffer.from(`${name}\0${value}\0`))),
        message("K", key),
        message("Z", Buffer.from("I")),
      ]),
    );
  }

  async #pass(bytes: Buffer): Promise<void> {
    if (this.#socket.destroyed) return;
    const backend = this.#backend ?? (await this.#pool.take());
    this.#backend = backend;
    const status = await exchange(backend, bytes, (answer) => this.#socket.write(answer));
    const { mode } = this.#options;
    if (mode === "session" || (mode === "transaction" && status !== "I")) return;
    if (status !== "I") {
      this.#socket.end(REFUSES_TRANSACTIONS);
      await this.#leave();
    }
    this.#backend = undefined;
    this.#pool.giveBack(backend);
  }

  async #leave(): Promise<void> {
    const backend = this.#backend;
    this.#backend = undefined;
    if (backend === undefined) return;
    await exchange(backend, message("Q", Buffer.from("ROLLBACK\0")), () => {});
    this.#pool.giveBack(backend);
  }
}

const PROTOCOL_3 = 196_608;

/** Sends a request to the server and passes its answer on. @returns the transaction status at its end */
function exchange({ stream }: Backend, bytes: Buffer, pass: (answer: Buffer) => void): Promise<string> {
  return new Promise((resolve) => {
    const answers = new ServerStream();
    const take = (chunk: Buffer) => {
      const end = answers.push(chunk).find(({ type }) => type === "Z");
      if (end !== undefined) stream.off("data", take);
      pass(chunk);
      if (end !== undefined) resolve(String.fromCharCode(end.bytes[5] ?? 0));
    };
    stream.on("data", take);
    stream.write(bytes);
  });
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const REFUSES_TRANSACTIONS = message(
  "E",
  Buffer.from("SERROR\0VERROR\0C08P01\0Mtransaction blocks not allowed in statement pooling mode\0\0"),
);
