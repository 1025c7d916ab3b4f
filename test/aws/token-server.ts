import { createConnection, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, TLSSocket } from "node:tls";
import { type KeyPair, makeAuthority, makeCertificate, type TlsServer } from "../support/tls.ts";

/**
 * Stands before a real server as RDS with IAM authentication does: it asks for the password in clear text, over TLS.
 * The tests decide about the token; then the real server checks the same text as the password of the role.
 */
export interface TokenServer {
  readonly host: string;
  readonly port: number;
  /** PEM of its authority. */
  readonly ca: string;
  /** What arrived as passwords. */
  readonly tokens: readonly string[];
  close(): Promise<void>;
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const ASK_FOR_PASSWORD = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);

/** @param accept called with each token before the real server is asked */
export async function startTokenServer(
  behind: TlsServer,
  accept: (token: string) => Promise<void>,
): Promise<TokenServer> {
  const authority = await makeAuthority();
  const certificate = await makeCertificate(authority);
  const tokens: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, certificate, behind, async (token) => {
      tokens.push(token);
      await accept(token);
    }).catch(() => socket.destroy());
  });
  return {
    ...{ host: "localhost", port: await portOf(server), ca: authority.cert, tokens },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function serve(
  socket: Socket,
  { cert, key }: KeyPair,
  behind: TlsServer,
  accept: (token: string) => Promise<void>,
): Promise<void> {
  socket.on("error", () => undefined);
  if (!(await read(socket)).equals(SSL_REQUEST)) throw new Error("the client did not ask for TLS");
  socket.write("S");
  const client = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ cert, key }) });
  client.on("error", () => undefined);
  const startup = await read(client);
  client.write(ASK_FOR_PASSWORD);
  const answer = await read(client);
  // A message of the type `p`, its length, the text and a zero.
  await accept(answer.toString("utf8", 5, answer.length - 1));
  const server = await connectBehind(behind);
  server.write(startup);
  client.pipe(server).pipe(client);
}

/** A first message that is short arrives as one piece. */
function read(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once("data", (bytes) => {
      socket.pause();
      resolve(Buffer.from(bytes));
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
    socket.resume();
  });
}

async function connectBehind({ connection, ca }: TlsServer): Promise<TLSSocket> {
  const socket = createConnection({ host: connection.host, port: connection.port });
  socket.write(SSL_REQUEST);
  if ((await read(socket)).toString() !== "S") throw new Error("the server has no TLS");
  const server = connectTls({ socket, ca, servername: "localhost" });
  server.on("error", () => undefined);
  await new Promise((resolve) => server.once("secureConnect", resolve));
  return server;
}
