import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { errorCode, errorMessage, Hint, MigrationError } from "../core/index.ts";
import { type ConnectionSettings, createClient } from "../postgres/index.ts";
import { RESET_HINT } from "./options.ts";

const CONNECT_MS = 2_000;
const POLL_MS = 10;

/** The state of a server, judged by its reply to a connection. */
type Reply = "ready" | "starting" | "silent" | "no-database";

const REPLIES: Readonly<Record<string, Reply>> = {
  "57P03": "starting",
  "3D000": "no-database",
  // Too many connections, or TLS is required: the server is running.
  "53300": "ready",
  "28000": "ready",
};

/** Tries to connect once. Throws if the password is wrong. */
async function tryConnect(connection: ConnectionSettings): Promise<Reply> {
  const client = clientFor(connection);
  try {
    await client.connect();
    return "ready";
  } catch (error) {
    // Another server listens there and asks for the password in clear text.
    if (error instanceof MigrationError) throw error;
    const code = errorCode(error) ?? "";
    if (code === "28P01") throw wrongPassword(connection, error);
    return REPLIES[code] ?? "silent";
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Waits until the server accepts connections, while `isAlive` holds. Returns the last reply. */
export async function waitForReply(
  connection: ConnectionSettings,
  isAlive: () => Promise<boolean>,
  limit = 60_000,
): Promise<Reply> {
  const deadline = Date.now() + limit;
  for (;;) {
    const reply = await tryConnect(connection);
    if (reply === "ready" || reply === "no-database") return reply;
    if (Date.now() > deadline || !(await isAlive())) return reply;
    await sleep(POLL_MS);
  }
}

export async function createDatabase(connection: ConnectionSettings): Promise<void> {
  const client = clientFor({ ...connection, database: "postgres" });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(connection.database)}`);
  } catch (error) {
    // A concurrent command has created it.
    if (errorCode(error) !== "42P04" && errorCode(error) !== "23505") throw error;
  } finally {
    await client.end();
  }
}

function clientFor(connection: ConnectionSettings): pg.Client {
  return createClient(connection, {
    applicationName: "cdk-pg-migrate local",
    connectTimeoutMs: CONNECT_MS,
  });
}

function wrongPassword({ user, host, port }: ConnectionSettings, cause: unknown): MigrationError {
  const message = `the local database at ${host}:${port} refuses the stored password of ${user}: ${errorMessage(cause)}`;
  return new MigrationError("AUTH", message, {
    hint: Hint.of`if the password was changed by hand, change it back; else ${RESET_HINT}`,
    cause,
  });
}
