import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { errorCode, errorMessage, MigrationError } from "../../core/index.ts";
import { type ConnectionSettings, createClient } from "../../migrator/index.ts";
import { RESET_HINT } from "./options.ts";

const CONNECT_MS = 2_000;
const POLL_MS = 10;

/** What a server's reply to a connection means for us. */
type Reply = "ready" | "starting" | "silent" | "no-database";

const REPLIES: Readonly<Record<string, Reply>> = {
  "57P03": "starting",
  "3D000": "no-database",
  // Too many connections, or TLS wanted: it is up and serving.
  "53300": "ready",
  "28000": "ready",
};

/** Asks the server once. An answer that says this password is wrong is thrown. */
export async function ask(connection: ConnectionSettings): Promise<Reply> {
  const client = clientFor(connection);
  try {
    await client.connect();
    return "ready";
  } catch (error) {
    // Something else listens there, and wants the password in a way that gives it away.
    if (error instanceof MigrationError) throw error;
    const code = errorCode(error) ?? "";
    if (code === "28P01") throw wrongPassword(connection, error);
    return REPLIES[code] ?? "silent";
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Waits until the server takes connections, as long as `goOn` says so; gives its last reply. */
export async function waitForReply(
  connection: ConnectionSettings,
  goOn: () => Promise<boolean>,
  limit = 60_000,
): Promise<Reply> {
  const deadline = Date.now() + limit;
  for (;;) {
    const reply = await ask(connection);
    if (reply === "ready" || reply === "no-database") return reply;
    if (Date.now() > deadline || !(await goOn())) return reply;
    await sleep(POLL_MS);
  }
}

export async function createDatabase(connection: ConnectionSettings): Promise<void> {
  const client = clientFor({ ...connection, database: "postgres" });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(connection.database)}`);
  } catch (error) {
    // Another command was faster.
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
    hint: `if the password was changed by hand, change it back; else ${RESET_HINT}`,
    cause,
  });
}
