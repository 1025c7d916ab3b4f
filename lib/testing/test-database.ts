import type pg from "pg";
import { errorCode, property } from "../core/index.ts";
import { dropEverything, keepDatabase } from "./leftovers.ts";
import { newName, TEST } from "./names.ts";
import type { TemplateOptions } from "./options.ts";
import { openServer, withAdmin } from "./server.ts";
import { openTemplate, requireTemplate, type Template } from "./template.ts";

/** What `new Client()` and `new Pool()` of pg take. */
export interface ConnectionConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly ssl: false | { readonly rejectUnauthorized: true; readonly ca?: string[] };
  /** A pool that a failed test has left open does not keep the process running. */
  readonly allowExitOnIdle: true;
}

/** A migrated database that nobody else uses. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** `postgres://user:password@host:port/name`, with `sslmode` where it is not the default. */
  readonly url: string;
  readonly config: ConnectionConfig;
  /** For a process that the test starts: `DATABASE_URL`, `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`, `PGPASSWORD`. */
  readonly env: Readonly<Record<string, string>>;
  /** Deletes the database, whoever is connected to it. */
  drop(): Promise<void>;
  /**
   * Leaves the database for a look at it; the newest twenty stay.
   * @param test what failed, for the comment on the database
   * @returns the command that opens it
   */
  keep(test?: string): Promise<string>;
}

/**
 * Makes a database that has all migrations of a folder. The first call builds a template; every further call, in any
 * process, clones it. Whoever calls this also drops the database; `databaseTest` does so itself.
 *
 * @throws MigrationError with everything in its message: `USAGE` for a folder that does not exist, the error of `up` for a
 * migration that fails, `CONNECTION` and others for a server that does not answer, `TEST_DATABASE` for a user who may not
 * make databases, `TOOL_MISSING` when the embedded Postgres is not installed
 *
 * @example
 * import { testDatabase } from "cdk-pg-migrate/testing";
 * import pg from "pg";
 *
 * const db = await testDatabase({ migrationsDir: "migrations" });
 * const pool = new pg.Pool(db.config);
 * // …
 * await pool.end();
 * await db.drop();
 */
export async function testDatabase(options: TemplateOptions = {}): Promise<TestDatabase> {
  return clone(await openTemplate(options));
}

/**
 * Starts the server and builds the template, so that no test has to wait for it: for a `globalSetup`.
 *
 * @throws MigrationError as `testDatabase`
 *
 * @example
 * import { buildTemplate } from "cdk-pg-migrate/testing";
 *
 * export default () => buildTemplate({ migrationsDir: "migrations" });
 */
export async function buildTemplate(options: TemplateOptions = {}): Promise<void> {
  await requireTemplate(await openTemplate(options));
}

/**
 * Gives tests a database each. It is dropped when the test passes; when the test fails it is kept, and stderr says how to
 * open it. Works with every test runner, since it wraps the function of the test.
 *
 * @returns a function that makes the test function from one that takes the database, and then what the runner passes
 * @throws MigrationError as `testDatabase`, in the tests
 *
 * @example
 * import { test } from "node:test";
 * import { databaseTest } from "cdk-pg-migrate/testing";
 * import pg from "pg";
 *
 * const withDatabase = databaseTest({ migrationsDir: "migrations" });
 *
 * test("a new database has no orders", withDatabase(async (db) => {
 *   const pool = new pg.Pool(db.config);
 *   const { rows } = await pool.query("SELECT FROM orders");
 *   await pool.end();
 *   if (rows.length > 0) throw new Error("there are orders");
 * }));
 */
export function databaseTest(
  options: TemplateOptions = {},
): <Context extends unknown[]>(
  test: (db: TestDatabase, ...context: Context) => unknown,
) => (...context: Context) => Promise<void> {
  let template: Promise<Template> | undefined;
  return (test) =>
    // Runners count the parameters: a test function that has one gets a callback.
    async (...context) => {
      template ??= openTemplate(options);
      const db = await clone(await template);
      try {
        await test(db, ...context);
      } catch (error) {
        const name = nameOf(context[0]);
        const which = name === "" ? "" : ` ${JSON.stringify(name)}`;
        process.stderr.write(`The test${which} failed; its database is kept: ${await db.keep(name)}\n`);
        throw error;
      }
      await db.drop();
    };
}

/** The name of a test in the context that node:test or Vitest passes to it; Jest passes none, but its `expect` knows it. */
function nameOf(context: unknown): string {
  const getState = property(property(globalThis, "expect"), "getState");
  const state: unknown = typeof getState === "function" ? getState() : undefined;
  const name =
    property(property(context, "task"), "name") ??
    property(context, "name") ??
    property(state, "currentTestName");
  return typeof name === "string" ? name : "";
}

/**
 * Deletes all databases that this module has made on a server and that nobody is connected to: templates, those of failed
 * tests, and those of killed processes.
 *
 * @returns the names of the deleted databases
 *
 * @example
 * import { dropTestDatabases } from "cdk-pg-migrate/testing";
 *
 * console.log(await dropTestDatabases({ server: process.env.TEST_DATABASE_URL }));
 */
export async function dropTestDatabases(
  options: Pick<TemplateOptions, "migrationsDir" | "server"> = {},
): Promise<readonly string[]> {
  const { connection } = await openServer(options);
  return withAdmin(connection, dropEverything);
}

const UNDEFINED_DATABASE = "3D000";

async function clone(template: Template): Promise<TestDatabase> {
  const { connection } = template.server;
  for (;;) {
    const name = await withAdmin(connection, (admin) => tryClone(admin, template.name));
    if (name !== undefined) return describe(template, name);
    // It was never built, or has just been deleted as an old one.
    await requireTemplate(template);
  }
}

async function tryClone(admin: pg.Client, template: string): Promise<string | undefined> {
  const name = await newName(admin, TEST);
  try {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    return name;
  } catch (error) {
    if (errorCode(error) === UNDEFINED_DATABASE) return undefined;
    throw error;
  }
}

/**
 * Waits until nobody is connected, for at most half a second: `pool.end()` of pg does not wait for the server's end of a
 * session, and a session that is cut off at that moment is an error that no test expects.
 */
const awaitSessions = (database: string): string => `DO $$ BEGIN
  FOR i IN 1..50 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '${database}');
    PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
  END LOOP;
END $$`;

function describe({ server }: Template, name: string): TestDatabase {
  const { host, port, user, password, tls } = server.connection;
  const url = server.urlOf(name);
  const ca = tls.mode === "verify-full" && tls.ca !== undefined ? { ca: [...tls.ca] } : {};
  const ssl = tls.mode === "disable" ? false : ({ rejectUnauthorized: true, ...ca } as const);
  const drop = () =>
    withAdmin(server.connection, async (admin) => {
      await admin.query(awaitSessions(name));
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    });
  return {
    name,
    url,
    config: { host, port, database: name, user, password, ssl, allowExitOnIdle: true },
    env: {
      DATABASE_URL: url,
      PGHOST: host,
      PGPORT: String(port),
      PGDATABASE: name,
      PGUSER: user,
      PGPASSWORD: password,
    },
    drop,
    keep: async (test = "") => {
      await withAdmin(server.connection, (admin) => keepDatabase(admin, name, test));
      return server.commandFor(name);
    },
    [Symbol.asyncDispose]: drop,
  };
}
