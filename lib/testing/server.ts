import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { readUrlSettings } from "../client/index.ts";
import {
  type ConnectionSettings,
  commandLineWords,
  errorCode,
  errorMessage,
  type HintTerm,
  MigrationError,
  property,
  renderHint,
} from "../core/index.ts";
import { defaultCacheDir } from "../folder/index.ts";
import { closeClient, openClient } from "../postgres/index.ts";
import type { TemplateOptions } from "./options.ts";

/** A server that answers, and how its databases are addressed. */
export interface OpenServer {
  /** To a database that always exists. */
  readonly connection: ConnectionSettings;
  urlOf(database: string): string;
  /** How a person opens a database. Shows the password of a server that exists for tests only. */
  commandFor(database: string): string;
}

const URL_NAME = "TEST_DATABASE_URL";

/** @throws MigrationError with a connection code, `USAGE` for a URL that cannot be read, `TOOL_MISSING`, `LOCAL_DATABASE` */
export async function openServer(options: TemplateOptions): Promise<OpenServer> {
  const { [URL_NAME]: fromEnvironment } = process.env;
  const { server = fromEnvironment || "embedded" } = options;
  if (server === "embedded") return openEmbedded(options);
  const url = typeof server === "string" ? server : server.getConnectionUri();
  const urlName = options.server === undefined ? URL_NAME : "the option server";
  const { connection } = readUrlSettings(url, { urlName, cwd: process.cwd(), values: {} });
  const urlOf = (database: string) => withDatabase(url, database);
  return { connection, urlOf, commandFor: (database) => `psql ${withoutPassword(urlOf(database))}` };
}

function withDatabase(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = database;
  const certificates = parsed.searchParams.get("sslrootcert");
  if (certificates !== null && certificates !== "system")
    parsed.searchParams.set("sslrootcert", resolve(certificates));
  return parsed.href;
}

function withoutPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password = "";
  return parsed.href;
}

/** No test needs its rows after a crash of the machine. */
const SERVER_SETTINGS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "300",
};

async function openEmbedded(options: TemplateOptions): Promise<OpenServer> {
  const { startLocal } = await import("../embedded/index.ts");
  const projectDir = embeddedFolder(options);
  await mkdir(projectDir, { recursive: true });
  const local = { projectDir, database: "postgres", serverSettings: SERVER_SETTINGS };
  const { connection, started, major } = await startLocal(local).catch((error: unknown) => {
    throw advised(error, projectDir);
  });
  if (started && major >= 16) await hashPasswordOnce(connection);
  const { host, port, user, password } = connection;
  const urlOf = (database: string) =>
    `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
  return { connection, urlOf, commandFor: (database) => `psql "${urlOf(database)}"` };
}

/** Beside the caches of the project, so that it does not touch the database that the developer works with. */
function embeddedFolder({ migrationsDir = "migrations" }: TemplateOptions): string {
  return join(defaultCacheDir(resolve(migrationsDir)), "testing");
}

/** The server's own hint is about the database of the project. */
function advised(error: unknown, projectDir: string): unknown {
  if (!(error instanceof MigrationError) || error.code !== "LOCAL_DATABASE") return error;
  const message = `${error.message}\n  What to do: call stopTestServer(), delete ${projectDir} and start the tests again`;
  return new MigrationError(error.code, message, { cause: error });
}

/** Hashing a random password 4,096 times protects nothing, and each connection would repeat it. */
async function hashPasswordOnce(connection: ConnectionSettings): Promise<void> {
  await withAdmin(connection, async (admin) => {
    await admin.query("SET scram_iterations = 1");
    await admin.query(`ALTER ROLE CURRENT_USER PASSWORD ${pg.escapeLiteral(connection.password)}`);
  });
}

/**
 * Stops the embedded server of the tests, unless another run is connected to it. It starts again when a test asks. For the
 * end of a run (`globalTeardown`); a server that goes on running makes the next run start faster.
 *
 * @example
 * import { stopTestServer } from "cdk-pg-migrate/testing";
 *
 * export default stopTestServer;
 */
export async function stopTestServer(options: Pick<TemplateOptions, "migrationsDir"> = {}): Promise<void> {
  const { findLocal, stopLocal } = await import("../embedded/index.ts");
  const local = { projectDir: embeddedFolder(options), database: "postgres" };
  await mkdir(local.projectDir, { recursive: true });
  const server = await findLocal(local);
  if (server === undefined) return;
  const others = await withAdmin(server.connection, async (admin) => {
    const { rows } = await admin.query(
      "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    return rows.length;
  });
  if (others === 0) await stopLocal(local);
}

const APPLICATION = "cdk-pg-migrate testing";
const TOO_MANY_CONNECTIONS = "53300";
const FULL_WAIT_MS = 30_000;

/** Does something with a session beside the test databases. Waits for a server that is full for the moment. */
export async function withAdmin<T>(
  connection: ConnectionSettings,
  work: (admin: pg.Client) => Promise<T>,
): Promise<T> {
  const admin = await connectAnywhere(connection);
  try {
    return await work(admin);
  } catch (error) {
    throw typedError(error, connection);
  } finally {
    await closeClient(admin);
  }
}

async function connectAnywhere(connection: ConnectionSettings, waitedMs = 0): Promise<pg.Client> {
  try {
    return await openClient(connection, APPLICATION);
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    if (error.code === "DATABASE_NOT_FOUND" && connection.database !== "postgres")
      return connectAnywhere({ ...connection, database: "postgres" }, waitedMs);
    if (error.details.sqlstate !== TOO_MANY_CONNECTIONS || waitedMs > FULL_WAIT_MS) throw explained(error);
    const pauseMs = 50 + waitedMs / 10;
    await sleep(pauseMs);
    return connectAnywhere(connection, waitedMs + pauseMs);
  }
}

/** A session in a database, for the step that prepares a template. */
export async function withSession<T>(
  connection: ConnectionSettings,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await openClient(connection, APPLICATION);
  try {
    await client.query("RESET search_path");
    return await work(client);
  } finally {
    await closeClient(client);
  }
}

function typedError(error: unknown, { user, host, port }: ConnectionSettings): unknown {
  if (error instanceof MigrationError) return error;
  const sqlstate = errorCode(error);
  if (property(error, "severity") === undefined || sqlstate === undefined) return error;
  const denied = sqlstate === "42501";
  const what = `${user} on ${host}:${port} cannot make a database for a test: ${errorMessage(error)}`;
  const hint = denied
    ? `Let a superuser run ALTER ROLE ${pg.escapeIdentifier(user)} CREATEDB.`
    : "Look at the server's log for more.";
  return explained(new MigrationError("TEST_DATABASE", what, { hint, sqlstate, cause: error }));
}

/** Test runners show nothing but the message of an error, so that it has to contain the hint. */
export function explained(error: MigrationError): MigrationError {
  const { hint } = error.details;
  if (hint === undefined) return error;
  const message = `${error.message}\n  What to do: ${renderHint(hint, wordsOfTests)}`;
  return new MigrationError(error.code, message, { ...error.details, cause: error.details.cause ?? error });
}

function wordsOfTests(term: HintTerm): string {
  switch (term.kind) {
    case "command":
      return `npx cdk-pg-migrate ${[term.command, ...Object.values(term.input)].join(" ")}`;
    case "field":
    case "option":
      return `the option ${term.kind === "field" ? term.field : term.option}`;
    case "setting":
      return commandLineWords(term);
    case "folder":
      return "the option migrationsDir";
  }
}
