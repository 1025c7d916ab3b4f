import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { HISTORIES, recordDatabase } from "./histories.ts";

// The recorded histories are what the real tools make. UPDATE_HISTORIES=1 records them anew.

const run = promisify(execFile);
const SLOW = 600_000;
const PACKAGE = join(import.meta.dirname, "npm-tools");

interface NpmTool {
  readonly tool: string;
  /** Its program in node_modules, with the arguments that apply all pending migrations. */
  readonly command: readonly [string, ...string[]];
  readonly tables: readonly string[];
  /** The last migration, which is pending in one of the recorded databases. */
  readonly last: string;
  /** Makes values fixed that are different each time. */
  readonly fix?: string;
}

const PRISMA = {
  tool: "prisma",
  command: ["prisma", "migrate", "deploy", "--config", "prisma.config.mjs"],
  tables: ["public._prisma_migrations"],
  last: "prisma/migrations/20240103000000_role",
  fix: "UPDATE _prisma_migrations SET id = migration_name, logs = left(logs, 24)",
} as const;

const TOOLS: readonly NpmTool[] = [
  {
    tool: "knex",
    command: ["knex", "migrate:latest", "--knexfile", "knexfile.cjs"],
    tables: ["public.knex_migrations", "public.knex_migrations_lock"],
    last: "knex-migrations/20240104000000_view.js",
  },
  {
    tool: "sequelize",
    command: ["sequelize-cli", "db:migrate"],
    tables: ['public."SequelizeMeta"'],
    last: "sequelize-migrations/20240103000000-orders.js",
  },
  {
    tool: "typeorm",
    command: ["typeorm", "migration:run", "-d", "data-source.cjs"],
    tables: ["public.migrations"],
    last: "src/migrations/1704240000000-AddAge.js",
  },
  {
    tool: "dbmate",
    command: ["dbmate", "--no-dump-schema", "up"],
    tables: ["public.schema_migrations"],
    last: "db/migrations/20240103000000_mood.sql",
  },
  {
    tool: "drizzle",
    command: ["drizzle-kit", "migrate", "--config", "drizzle.config.cjs"],
    tables: ["drizzle.__drizzle_migrations"],
    last: "drizzle/0002_late_view.sql",
  },
  PRISMA,
];

/** The folder in which the tools are installed. */
let home: string;
beforeAll(async () => {
  home = writeFolder({});
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(PACKAGE, file), join(home, file));
  await run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"], { cwd: home });
}, SLOW);

/** A copy of a recorded project. */
function copyProject(tool: string): string {
  const project = writeFolder({});
  cpSync(join(HISTORIES, tool, "project"), project, { recursive: true });
  symlinkSync(join(home, "node_modules"), join(project, "node_modules"));
  return project;
}

async function apply(project: string, [program, ...args]: NpmTool["command"], db: TestDatabase) {
  const { host, port } = db.connection;
  const { PATH = "" } = process.env;
  // Prisma looks for its native engines, which are downloaded, also where it does not use them.
  const engines = {
    PRISMA_QUERY_ENGINE_LIBRARY: join(home, "package.json"),
    PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true",
  };
  const DATABASE_URL = `postgres://${db.name}:tool@${host}:${port}/${db.name}?sslmode=disable`;
  const env = { PATH, HOME: home, DATABASE_URL, CHECKPOINT_DISABLE: "1", NO_COLOR: "1", ...engines };
  await run(join(home, "node_modules/.bin", program), args, { cwd: project, env });
}

/** Takes the last migration away. */
function withoutLast(project: string, last: string): void {
  rmSync(join(project, last), { recursive: true });
  const journal = join(project, "drizzle/meta/_journal.json");
  if (!last.startsWith("drizzle/")) return;
  const { entries, ...others } = JSON.parse(readFileSync(journal, "utf8"));
  writeFileSync(journal, JSON.stringify({ ...others, entries: entries.slice(0, -1) }));
}

/** The driver of dbmate refuses the few iterations of the password that tests are fast with. */
const withRole = (test: (db: TestDatabase) => Promise<void>): Promise<void> =>
  withDatabase(async (db) => {
    await db.query(
      `SET scram_iterations = 4096; CREATE ROLE ${db.name} SUPERUSER LOGIN PASSWORD 'tool'; RESET scram_iterations`,
    );
    await test(db);
    await db.query(`DROP ROLE ${db.name}`);
  });

/** Compares a file of the histories with what a tool has made now. */
function expectRecorded(file: string, text: string): void {
  const path = join(HISTORIES, file);
  if (process.env["UPDATE_HISTORIES"] !== undefined) {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }
  expect(readFileSync(path, "utf8")).toBe(text);
}

async function expectHistory(db: TestDatabase, { tool, command, tables, fix }: NpmTool, name: string) {
  if (fix !== undefined) await db.query(fix);
  await db.query(`REASSIGN OWNED BY ${db.name} TO current_user`);
  expectRecorded(`${tool}/${name}.sql`, await recordDatabase(db, command.join(" "), tables));
}

describe.each(TOOLS)("$tool", (one) => {
  it(
    "makes the recorded databases",
    () =>
      withRole(async (db) => {
        const [partly, all] = [copyProject(one.tool), copyProject(one.tool)];
        withoutLast(partly, one.last);
        await apply(partly, one.command, db);
        await expectHistory(db, one, "database");
        await apply(all, one.command, db);
        await expectHistory(db, one, "complete");
      }),
    SLOW,
  );
});

it(
  "Prisma makes the recorded database of a migration that fails",
  () =>
    withRole(async (db) => {
      const project = copyProject("prisma");
      addFiles(project, { "prisma/migrations/20240104000000_wrong/migration.sql": "SELECT 1/0;" });
      await expect(apply(project, PRISMA.command, db)).rejects.toThrow();
      await expectHistory(db, PRISMA, "failed");
    }),
  SLOW,
);
