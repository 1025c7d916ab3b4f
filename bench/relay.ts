import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

/** A network between a tool and the server. */
export interface Relay {
  readonly port: number;
  readonly connections: number;
  /**
   * How often a client spoke after the server had: each time it had waited for an answer. TLS, login and all other
   * things before the first statement are in it.
   */
  readonly turns: number;
  close(): Promise<void>;
}

/** @param delayMs that each byte takes, in either direction */
export async function startRelay(target: { host: string; port: number }, delayMs: number): Promise<Relay> {
  const counts = { connections: 0, turns: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    counts.connections += 1;
    const upstream = connect(target);
    let answered = true;
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true).on("error", () => {}));
    client.on("data", () => {
      if (answered) counts.turns += 1;
      answered = false;
    });
    upstream.on("data", () => {
      answered = true;
    });
    pass(client, upstream, delayMs);
    pass(upstream, client, delayMs);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: portOf(server.address()),
    get connections() {
      return counts.connections;
    },
    get turns() {
      return counts.turns;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function pass(from: Socket, to: Socket, delayMs: number): void {
  // Timers of one length fire in the order in which they were set.
  const later = (work: () => void) => (delayMs === 0 ? work() : void setTimeout(work, delayMs));
  from.on("data", (chunk) => later(() => void to.write(chunk)));
  from.on("close", () => later(() => void to.end()));
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return address.port;
}
