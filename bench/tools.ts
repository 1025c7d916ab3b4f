import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "./measure.ts";
import { DIST } from "./package-copy.ts";
import type { Language, Project } from "./project.ts";
import { FLOOR, FLOOR_EACH, OURS, OURS_FROM_SOURCE, OURS_ONE_TRANSACTION, PEER, PEER_EACH } from "./rows.ts";
import type { Address } from "./server.ts";

/** Something that brings a database up to a folder of migrations. */
export interface Tool {
  readonly name: string;
  readonly languages: readonly Language[];
  /** Whether a run with nothing to do is measured: not where it is none, or another tool's. */
  readonly again: boolean;
  command(project: Project, database: Address): Command;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BENCH = fileURLToPath(new URL(".", import.meta.url));
const PEER_PROGRAM = join(BENCH, "node_modules/node-pg-migrate/bin/node-pg-migrate.js");
const BOTH = ["TS", "SQL"] as const;

export function urlOf({ host, port, user, password, database }: Address): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}?sslmode=disable`;
}

/** All tools that this machine has. */
export function findTools(): readonly Tool[] {
  return [
    node(OURS, BOTH, [join(DIST, "cli", "migrate.mjs"), "up"], withFields),
    node(OURS_FROM_SOURCE, BOTH, [join(ROOT, "bin", "run.mjs"), "up"], withFields),
    onlyFresh(
      node(
        OURS_ONE_TRANSACTION,
        BOTH,
        [join(DIST, "cli", "migrate.mjs"), "up", "--transaction", "all"],
        withFields,
      ),
    ),
    node(PEER, BOTH, [PEER_PROGRAM, "up"], withUrl),
    onlyFresh(node(PEER_EACH, BOTH, [PEER_PROGRAM, "up", "--no-single-transaction"], withUrl)),
    node(
      "knex (JS)",
      ["TS"],
      [join(BENCH, "node_modules/knex/bin/cli.js"), "migrate:latest", "--knexfile", "knexfile.cjs"],
      withUrl,
    ),
    node(
      "postgres-migrations",
      ["SQL"],
      [join(BENCH, "children/postgres-migrations.mjs"), "postgres-migrations"],
      withUrl,
    ),
    ...dbmate(),
    ...psql(),
  ];
}

function onlyFresh(tool: Tool): Tool {
  return { ...tool, again: false };
}

type Environment = (database: Address) => Readonly<Record<string, string>>;

const withUrl: Environment = (database) => ({ DATABASE_URL: urlOf(database) });
const withFields: Environment = ({ host, port, user, password, database }) => ({
  DATABASE_HOST: host,
  DATABASE_PORT: String(port),
  DATABASE_NAME: database,
  DATABASE_USER: user,
  DATABASE_PASSWORD: password,
  DATABASE_SSL: "disable",
});

function node(name: string, languages: readonly Language[], args: readonly string[], env: Environment): Tool {
  return {
    ...{ name, languages, again: true },
    command: ({ dir, temp }, database) => ({
      ...{ file: process.execPath, args, cwd: dir },
      env: { ...env(database), TMPDIR: temp },
    }),
  };
}

/** Its program itself: the script that npm puts before it would only add Node's start. */
function dbmate(): readonly Tool[] {
  const home = `@dbmate/${process.platform}-${process.arch}`;
  const file = join(
    BENCH,
    "node_modules",
    home,
    "bin",
    process.platform === "win32" ? "dbmate.exe" : "dbmate",
  );
  if (!existsSync(file)) return [];
  const args = ["--no-dump-schema", "--migrations-dir", "dbmate", "migrate"];
  return [
    {
      ...{ name: "dbmate", languages: ["SQL"], again: true },
      command: ({ dir }, database) => ({ file, args, cwd: dir, env: withUrl(database) }),
    },
  ];
}

function psql(): readonly Tool[] {
  if (spawnSync("psql", ["--version"]).status !== 0) return [];
  const options = ["-X", "-q", "-v", "ON_ERROR_STOP=1"];
  const floor = (name: string, ...args: readonly string[]): Tool => ({
    ...{ name, languages: BOTH, again: false },
    command: ({ dir }, database) => ({
      ...{ file: "psql", args: [...options, ...args, urlOf(database)], cwd: dir, env: {} },
    }),
  });
  return [floor(FLOOR, "-1", "-f", "all.sql"), floor(FLOOR_EACH, "-f", "each.sql")];
}
