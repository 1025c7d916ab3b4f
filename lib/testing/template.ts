import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { devNull } from "node:os";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import * as v from "valibot";
import { withoutAgent } from "../client/index.ts";
import {
  type ErrorCode,
  errorCode,
  flagOf,
  given,
  isErrorCode,
  MigrationError,
  TOOL,
} from "../core/index.ts";
import { nearest, openFolder } from "../folder/index.ts";
import { sweep } from "./leftovers.ts";
import { BUILDING, literal, newName, TEMPLATE, templateComment } from "./names.ts";
import { ENGINE_OPTIONS, type TemplateOptions } from "./options.ts";
import { explained, type OpenServer, openServer, withAdmin, withSession } from "./server.ts";

/** A template by its name, whether it has been built or not. */
export interface Template {
  readonly server: OpenServer;
  readonly options: TemplateOptions;
  /** Absolute path of the folder of migrations. */
  readonly dir: string;
  readonly name: string;
}

/**
 * Names the template of a folder's present content: another content has another template, so that an edited migration is
 * never tested with what it was before.
 * @throws MigrationError those of the folder and of the server
 */
export async function openTemplate(options: TemplateOptions): Promise<Template> {
  const { migrationsDir = "migrations", ignorePattern, prepare } = options;
  const folder = await openFolder(resolve(migrationsDir), given({ ignorePattern })).catch(
    (error: unknown) => {
      throw error instanceof MigrationError ? explained(error) : error;
    },
  );
  const digests = await folder.digests(folder.entries.map(({ name }) => name));
  const server = await openServer(options);
  const parts = [
    TOOL,
    // What one user owns, another may not change.
    server.connection.user,
    ENGINE_OPTIONS.map((name) => options[name] ?? null),
    folder.entries.map(({ name }) => [name, digests.get(name)]),
    prepare?.key ?? null,
  ];
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  return { server, options, dir: folder.dir, name: `${TEMPLATE}${hash.slice(0, 24)}` };
}

/** Builds the template unless it exists. Of many processes that ask at the same time, one builds it. */
export async function requireTemplate(template: Template): Promise<void> {
  await withAdmin(template.server.connection, (admin) =>
    withLock(admin, template.name, async () => {
      if (!(await exists(admin, template.name))) await build(admin, template);
    }),
  );
}

async function exists(admin: pg.Client, name: string): Promise<boolean> {
  const { rows } = await admin.query("SELECT FROM pg_database WHERE datname = $1", [name]);
  return rows.length > 0;
}

/** Builds the template under another name until it is complete: what a killed process leaves behind is never cloned. */
async function build(admin: pg.Client, template: Template): Promise<void> {
  const { server, name, dir, options } = template;
  const building = await newName(admin, BUILDING);
  await admin.query(`CREATE DATABASE ${building}`);
  try {
    await migrate(server.urlOf(building), dir, options);
    await prepare(template, building);
    await admin.query(`COMMENT ON DATABASE ${building} IS ${literal(await templateComment(admin, dir))}`);
    // A session in a template would make every clone fail.
    await admin.query(`ALTER DATABASE ${building} ALLOW_CONNECTIONS false`);
    await admin.query(`ALTER DATABASE ${building} RENAME TO ${name}`);
  } catch (error) {
    await admin.query(`DROP DATABASE IF EXISTS ${building} WITH (FORCE)`).catch(() => undefined);
    // A process that takes the lock in another database was faster.
    if (errorCode(error) !== DUPLICATE_DATABASE) throw error;
  }
  await sweep(admin);
}

const DUPLICATE_DATABASE = "42P04";

async function prepare({ server, options }: Template, database: string): Promise<void> {
  const { prepare: step } = options;
  if (step === undefined) return;
  await withSession({ ...server.connection, database }, (client) => step.run(client, server.urlOf(database)));
}

const POLL_MS = 50;
const WAIT_MS = 600_000;

/** Advisory locks belong to one database: processes with the same URL exclude each other, and the rest is harmless. */
async function withLock(admin: pg.Client, name: string, work: () => Promise<void>): Promise<void> {
  const key = createHash("sha256").update(name).digest().readBigInt64BE().toString();
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const { rows } = await admin.query<{ locked: boolean }>("SELECT pg_try_advisory_lock($1) AS locked", [
      key,
    ]);
    if (rows[0]?.locked) break;
    if (waitedMs > WAIT_MS) throw stillBuilt(name);
    await sleep(POLL_MS);
  }
  try {
    await work();
  } finally {
    await admin.query("SELECT pg_advisory_unlock($1)", [key]).catch(() => undefined);
  }
}

function stillBuilt(name: string): MigrationError {
  const message = `another process has been building the template ${name} for over ten minutes`;
  return new MigrationError("TEST_DATABASE", message);
}

/**
 * Applies the folder to a database, in a process of its own: inside a test runner, modules are loaded in another way, and
 * timers may be replaced.
 * @throws MigrationError as `up` has it, with everything in its message, because test runners show nothing else
 */
export async function migrate(url: string, dir: string, options: TemplateOptions): Promise<void> {
  const child = spawn(process.execPath, [program(), "up", "--json", "-m", dir, ...flagsOf(options)], {
    env: environmentOf(url),
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  const [code] = await once(child, "close");
  if (code !== 0) throw failure(await stdout, await stderr);
}

/** The command line of this package, which is above the sources and above what is built of them. */
function program(): string {
  const path = nearest(import.meta.dirname, "bin/cdk-pg-migrate.mjs");
  if (path === undefined) throw new Error(`this package has no program above ${import.meta.dirname}`);
  return path;
}

function flagsOf(options: TemplateOptions): readonly string[] {
  const flags = ENGINE_OPTIONS.flatMap((name) => {
    const value = options[name];
    if (value === undefined || value === false) return [];
    if (value === true) return [flagOf(name)];
    return [value].flat().flatMap((one) => [flagOf(name), one]);
  });
  const { ignorePattern } = options;
  return [
    // The settings of the developer's own database are in .env.
    "--env-file",
    devNull,
    "--create-schema",
    ...flags,
    ...(ignorePattern === undefined ? [] : ["--ignore-pattern", ignorePattern]),
  ];
}

/**
 * Settings of the developer's own database must not reach the template. It belongs to the tests, so that no person has to
 * approve what a coding agent runs there.
 */
function environmentOf(url: string): NodeJS.ProcessEnv {
  const others = Object.entries(withoutAgent(process.env)).filter(
    ([name]) => !name.startsWith("DATABASE_") && name !== "NODE_V8_COVERAGE",
  );
  return { ...Object.fromEntries(others), DATABASE_URL: url };
}

/** What `up --json` prints when it fails. */
const Answer = v.object({
  error: v.object({
    code: v.custom<ErrorCode>(isErrorCode),
    message: v.string(),
    hint: v.optional(v.string()),
    migration: v.optional(v.string()),
    file: v.optional(v.string()),
    line: v.optional(v.number()),
    statement: v.optional(v.string()),
    sqlstate: v.optional(v.string()),
    detail: v.optional(v.string()),
  }),
});

function failure(stdout: string, stderr: string): Error {
  const parsed = v.safeParse(Answer, parseJson(stdout));
  if (!parsed.success)
    return new Error(`the migrations of the test database could not be run:\n${stderr || stdout}`);
  const { code, message, ...details } = parsed.output.error;
  const { migration, file, line, statement, detail } = details;
  const place = file === undefined ? undefined : `at ${file}${line === undefined ? "" : `:${line}`}`;
  const lines = [
    `${code}: the template of the test databases could not be built${migration === undefined ? "" : `: migration ${migration} failed`}`,
    ...[message, place, statement, detail].filter((one) => one !== undefined),
  ];
  return explained(new MigrationError(code, lines.join("\n  "), given(details)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
