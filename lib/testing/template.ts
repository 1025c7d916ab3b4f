import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { errorCode, given, MigrationError, TOOL } from "../core/index.ts";
import { openFolder } from "../folder/index.ts";
import { sweep } from "./leftovers.ts";
import { migrate } from "./migrate.ts";
import { BUILDING, literal, newName, TEMPLATE, templateComment } from "./names.ts";
import { ENGINE_OPTIONS, type TemplateOptions } from "./options.ts";
import { type OpenServer, openServer, withAdmin, withSession } from "./server.ts";

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
  const folder = await openFolder(resolve(migrationsDir), given({ ignorePattern }));
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

/** Under another name until it is complete: what a killed process leaves behind is never cloned. */
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
