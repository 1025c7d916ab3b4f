import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterAll } from "@jest/globals";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";

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

/** A server that says that it is of another major version, with two digits; resolves to its port. */
export function listenAsVersion(major: string, { host, port }: ConnectionSettings): Promise<string> {
  return listen((socket) => {
    const server = createConnection({ host, port }).on("error", () => socket.destroy());
    socket.pipe(server);
    server.on("data", (bytes) => {
      const text = bytes.toString("latin1").replace(/(?<!\d)\d\d(?=0\d{3}(?!\d))/g, major);
      socket.write(Buffer.from(text, "latin1"));
    });
    server.on("end", () => socket.end());
  });
}

/** What a server answers that is starting up: the protocol's ErrorResponse. */
export const STARTING_UP = errorResponse({
  S: "FATAL",
  V: "FATAL",
  C: "57P03",
  M: "the database system is starting up",
});

/** Ways to ask for a password that give it away, or pretend to know it. */
export type Trick = "clear text" | "md5" | "clear text after SCRAM" | "SCRAM without a proof";

/** Something that listens in place of a server and wants the password. */
export async function listenForPassword(trick: Trick): Promise<{ port: string; received: () => string }> {
  let received = "";
  const port = await listen((socket) => {
    const asked = [...REQUESTS[trick]];
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const next = asked.shift();
      socket.write(next === "SCRAM continues" ? continueScram(chunk) : (next ?? WELCOME));
    });
  });
  return { port, received: () => received };
}

const CLEAR_TEXT = authentication(3);
const SCRAM = authentication(10, Buffer.from("SCRAM-SHA-256\0\0"));
const WELCOME = Buffer.concat([authentication(0), message("Z", Buffer.from("I"))]);

/** What comes after each message of the client. */
const REQUESTS: Readonly<Record<Trick, readonly (Buffer | "SCRAM continues")[]>> = {
  "clear text": [CLEAR_TEXT],
  md5: [authentication(5, Buffer.from("salt"))],
  "clear text after SCRAM": [SCRAM, CLEAR_TEXT],
  "SCRAM without a proof": [SCRAM, "SCRAM continues", WELCOME],
};

/** Goes on with the client's nonce, as a server would that does not know the password. */
function continueScram(clientFirst: Buffer): Buffer {
  const nonce = /r=([^,]+)$/.exec(clientFirst.toString("latin1"))?.[1] ?? "";
  const salt = Buffer.from("salt").toString("base64");
  return authentication(11, Buffer.from(`r=${nonce}more,s=${salt},i=4096`));
}

function authentication(kind: number, rest: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(kind);
  return message("R", Buffer.concat([head, rest]));
}

/** The refusal of a server that speaks German and lets nobody in without TLS. */
export const KEINE_VERSCHLUESSELUNG = errorResponse({
  S: "FATAL",
  V: "FATAL",
  C: "28000",
  M: "kein pg_hba.conf-Eintrag für Host »127.0.0.1«, Benutzer »some_user«, Datenbank »some_database«, keine Verschlüsselung",
  F: "auth.c",
  R: "ClientAuthentication",
});

/** The refusal of a role that may not log in, which TLS does not change. */
export const ROLE_MAY_NOT_LOG_IN = errorResponse({
  S: "FATAL",
  V: "FATAL",
  C: "28000",
  M: "Rolle »some_user« hat keine Berechtigung zum Einloggen",
  F: "miscinit.c",
  R: "InitializeSessionUserId",
});

function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const body = Object.entries(fields).map(([key, value]) => `${key}${value}\0`);
  return message("E", Buffer.from(`${body.join("")}\0`));
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
