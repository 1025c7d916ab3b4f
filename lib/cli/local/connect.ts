import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { MigrationError } from "../../migrator/errors.ts";
import type { ConnectionSettings } from "../../migrator/index.ts";
import { codeOf, messageOf } from "./failure.ts";
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
    const code = codeOf(error) ?? "";
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
    if (codeOf(error) !== "42P04" && codeOf(error) !== "23505") throw error;
  } finally {
    await client.end();
  }
}

/** Every field is set, and none to an empty value: pg would take it from a `PG*` variable. */
function clientFor({ host, port, database, user, password }: ConnectionSettings): pg.Client {
  const client = new pg.Client({
    ...{ host, port, database, user, password },
    ssl: false,
    application_name: "cdk-pg-migrate local",
    options: "-c statement_timeout=0",
    connectionTimeoutMillis: CONNECT_MS,
  });
  // A server that stops under us is seen by the query; without a listener it would end the process.
  client.on("error", () => undefined);
  return client;
}

function wrongPassword({ user, host, port }: ConnectionSettings, cause: unknown): MigrationError {
  const message = `the local database at ${host}:${port} refuses the stored password of ${user}: ${messageOf(cause)}`;
  return new MigrationError("AUTH", message, {
    hint: `if the password was changed by hand, change it back; else ${RESET_HINT}`,
    cause,
  });
}
