import { createServer, type Socket, connect as tcpConnect } from "node:net";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { backendPid, ClientStream, type ClientUnit, ServerStream } from "./wire.ts";

/** One request of a client, about to be passed on. */
export interface Request {
  /** Which connection it came over: 0 is the first one, that of the run itself. */
  readonly link: number;
  /** Its number on that connection, from 1. The client's goodbye is the last one. */
  readonly n: number;
  /** Its SQL; empty for the goodbye. */
  readonly text: string;
  /** Process id of the server's end. */
  readonly pid: number;
}

/**
 * What becomes of it.
 * - `pass`: it is passed on
 * - `cut`: the connection breaks before the server has it
 * - `lose-answer`: the server does it to the end, then the connection breaks before the client knows
 * - `freeze`: from here on no byte passes on any connection, old or new: the network is gone
 * - `freeze-link`: from here on no byte passes on this connection; others work
 * - `freeze-answer`: the server has it, and from here on no byte passes on any connection
 */
export type Fate = "pass" | "cut" | "lose-answer" | "freeze" | "freeze-link" | "freeze-answer";

export type Decide = (request: Request) => Fate | Promise<Fate>;

export interface FaultyProxy {
  readonly connection: ConnectionSettings;
  readonly requests: readonly Request[];
  /** Number of connections that were made, or tried. */
  readonly connections: () => number;
  /** Lets no byte pass from now on. */
  freeze(): void;
  close(): Promise<void>;
}

/** Everything that the connections of one proxy share. */
interface Shared {
  readonly decide: Decide;
  readonly requests: Request[];
  readonly links: Set<Link>;
  frozen: boolean;
}

/** A TCP proxy before a server, which reads along and breaks connections where it is told to. */
export async function startProxy(target: ConnectionSettings, decide: Decide): Promise<FaultyProxy> {
  const shared: Shared = { decide, requests: [], links: new Set(), frozen: false };
  // Half-open, because a peer that is out of reach does not even answer a goodbye.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = tcpConnect({ port: target.port, host: target.host, allowHalfOpen: true });
    shared.links.add(new Link(shared, shared.links.size, client, upstream));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    connection: { ...target, host: "127.0.0.1", port: address.port },
    requests: shared.requests,
    connections: () => shared.links.size,
    freeze: () => {
      shared.frozen = true;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const link of shared.links) link.cut();
      }),
  };
}

class Link {
  readonly #shared: Shared;
  readonly #number: number;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #fromClient = new ClientStream();
  readonly #fromServer = new ServerStream();
  #work: Promise<void> = Promise.resolve();
  #count = 0;
  #pid = 0;
  #losing = false;
  #frozen = false;

  constructor(shared: Shared, number: number, client: Socket, server: Socket) {
    this.#shared = shared;
    this.#number = number;
    this.#client = client;
    this.#server = server;
    for (const socket of [client, server]) socket.setNoDelay(true).on("error", () => {});
    client.on("data", (chunk) => this.#take(chunk));
    server.on("data", (chunk) => this.#answer(chunk));
    for (const event of ["end", "close"] as const) {
      client.on(event, () => this.#passEnd(server));
      server.on(event, () => this.#passEnd(client));
    }
  }

  /** Breaks both sides at once. */
  cut(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
  }

  get #still(): boolean {
    return this.#frozen || this.#shared.frozen;
  }

  #take(chunk: Buffer): void {
    for (const unit of this.#fromClient.push(chunk)) {
      this.#work = this.#work.then(() => this.#handle(unit));
    }
  }

  async #handle(unit: ClientUnit): Promise<void> {
    if (this.#still || this.#client.destroyed) return;
    const fate = unit.kind === "setup" ? "pass" : await this.#fate(unit.text);
    if (fate === "cut") return this.cut();
    if (fate !== "freeze" && fate !== "freeze-link") this.#server.write(unit.bytes);
    this.#losing = fate === "lose-answer";
    this.#frozen = fate === "freeze-link";
    if (fate === "freeze" || fate === "freeze-answer") this.#shared.frozen = true;
  }

  async #fate(text: string): Promise<Fate> {
    this.#count += 1;
    const request = { link: this.#number, n: this.#count, text, pid: this.#pid };
    this.#shared.requests.push(request);
    return this.#shared.decide(request);
  }

  #answer(chunk: Buffer): void {
    for (const message of this.#fromServer.push(chunk)) {
      if (message.type === "K") this.#pid = backendPid(message);
      if (message.type === "Z" && this.#losing) this.cut();
    }
    if (!this.#losing && !this.#still) this.#client.write(chunk);
  }

  /** A side that is gone takes the other with it, once what was under way has passed. */
  #passEnd(other: Socket): void {
    if (!this.#still) this.#work = this.#work.then(() => void other.end());
  }
}
