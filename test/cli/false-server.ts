import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterAll } from "@jest/globals";
import type { ConnectionSettings } from "../../lib/migrator/connection/settings.ts";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** Something that listens and is no Postgres, until the test file ends; resolves to its port. */
export async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return String(address.port);
}

export function pipeTo({ host, port }: ConnectionSettings, socket: Socket): void {
  const server = createConnection({ host, port }).on("error", () => socket.destroy());
  server.pipe(socket).pipe(server);
}

/** What a server answers that is starting up: the protocol's ErrorResponse. */
export const STARTING_UP = errorResponse({
  S: "FATAL",
  V: "FATAL",
  C: "57P03",
  M: "the database system is starting up",
});

function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const body = Object.entries(fields).map(([key, value]) => `${key}${value}\0`);
  const bytes = Buffer.from(`${body.join("")}\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}
