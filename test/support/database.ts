import { randomBytes } from "node:crypto";
import { afterAll } from "@jest/globals";
import pg from "pg";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { DATABASE_PREFIX, testServer } from "./postgres.ts";
import { endOfLog, type LogPosition, statementsSince } from "./statement-log.ts";

const HARNESS = "test harness";

/** For queries of `pg_locks`, which shows the locks of every database, and other test files run in those. */
export const IN_THIS_DATABASE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/** A fresh database of one test. */
export interface TestDatabase {
  readonly connection: ConnectionSettings;
  readonly name: string;
  /** Runs SQL in one session that the test shares with nobody; what it sends is not in `logged()`. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Another session; closed at the end of the test. */
  client(): Promise<pg.Client>;
  /** Makes the server log the statements of every session that connects from now on. */
  enableStatementLog(): Promise<void>;
  /** Those statements, in the order in which they came. */
  logged(): Promise<string[]>;
  /** Closes what the test has opened. */
  close(): Promise<void>;
  /** Closes everything and deletes the database, whoever is connected to it. */
  drop(): Promise<void>;
}

/** @param template name of a database to copy, which nobody may be connected to */
export async function createDatabase(template = "template1"): Promise<TestDatabase> {
  const server = await testServer();
  const name = `${DATABASE_PREFIX}${randomBytes(6).toString("hex")}`;
  // Copying files is less work for the server than writing all of them to its log, which is the default.
  const create = `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`;
  await asAdmin(server, (admin) => admin.query(create));
  return open(server, { ...server, database: name });
}

/**
 * Runs a test with a database of its own. It is dropped when the test passes; when it fails it is kept until
 * the next run, and how to look at it is printed. The server stops with the run: `serve.ts` starts it again.
 */
export async function withDatabase(
  test: (db: TestDatabase) => Promise<void>,
  template?: string,
): Promise<void> {
  const db = await createDatabase(template);
  try {
    await test(db);
  } catch (error) {
    await db.close();
    const { user, password, host, port } = db.connection;
    process.stderr.write(`database kept: psql postgres://${user}:${password}@${host}:${port}/${db.name}\n`);
    throw error;
  }
  await db.drop();
}

/** A database that something else has made and will drop. */
export async function openDatabase(name: string): Promise<TestDatabase> {
  const server = await testServer();
  return open(server, { ...server, database: name });
}

function open(server: ConnectionSettings, connection: ConnectionSettings): TestDatabase {
  const clients: pg.Client[] = [];
  let own: Promise<pg.Client> | undefined;
  let logFrom: LogPosition | undefined;
  const name = connection.database;
  const connect = async (application: string) => {
    const client = await connectTo(connection, application);
    clients.push(client);
    return client;
  };
  const close = async () => {
    own = undefined;
    await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  };
  return {
    connection,
    name,
    async query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) {
      own ??= connect(HARNESS);
      return (await (await own).query<Row>(sql, values)).rows;
    },
    client: () => connect("test"),
    async enableStatementLog() {
      await asAdmin(server, async (admin) => {
        await admin.query(`ALTER DATABASE ${name} SET log_statement = 'all'`);
        logFrom ??= await endOfLog(admin);
      });
    },
    logged() {
      const from = logFrom;
      if (from === undefined) throw new Error("enableStatementLog() was not called");
      return asAdmin(server, (admin) => statementsSince(admin, from, name, HARNESS));
    },
    close,
    async drop() {
      await close();
      await asAdmin(server, (admin) => admin.query(`DROP DATABASE ${name} WITH (FORCE)`));
    },
  };
}

/** A session with the server that all tests of a file share: to connect anew was a fifth of what a small test takes. */
let shared: Promise<pg.Client> | undefined;

async function asAdmin<T>(server: ConnectionSettings, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  shared ??= connectTo(server, HARNESS);
  return work(await shared);
}

afterAll(async () => {
  await (await shared)?.end();
});

async function connectTo(settings: ConnectionSettings, application: string): Promise<pg.Client> {
  const { host, port, database, user, password } = settings;
  const client = new pg.Client({
    ...{ host, port, database, user, password },
    ssl: false,
    application_name: application,
    options: "-c statement_timeout=0",
  });
  // A test may end sessions on purpose; without a listener that would end jest.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
