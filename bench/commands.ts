import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Project } from "./project.ts";
import type { Database, Server } from "./server.ts";

/** A checkout of this repository that is measured. */
export interface Tree {
  readonly root: string;
  /** How its rows are called. */
  readonly label: string;
}

/** What every part of the bench works with. */
export interface Context {
  readonly server: Server;
  /** At least one. */
  readonly trees: readonly Tree[];
  /** Small sizes and few rounds. */
  readonly short: boolean;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What brings a database to the end of a project's folder. */
export type Tool = (database: Database) => Command;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** As `npm run migrate:up` starts it. */
export function ours(tree: Tree, ...flags: readonly string[]): Tool {
  return cli(tree, "up", "-m", "migrations", ...flags);
}

/** As the npm scripts start it. */
export function cli({ root }: Tree, ...args: readonly string[]): Tool {
  return ({ host, port, user, password, database }) => ({
    file: process.execPath,
    args: [join(root, "bin", "run.mjs"), ...args],
    env: {
      DATABASE_HOST: host,
      DATABASE_PORT: String(port),
      DATABASE_NAME: database,
      DATABASE_USER: user,
      DATABASE_PASSWORD: password,
      DATABASE_SSL: "disable",
    },
  });
}

/** node-pg-migrate's program, with its defaults: one transaction for all, TypeScript through jiti. */
export const nodePgMigrate: Tool = (database) => ({
  file: join(ROOT, "node_modules", ".bin", "node-pg-migrate"),
  args: ["up"],
  env: { DATABASE_URL: urlOf(database) },
});

/** @param args that name the script */
export function psql(...args: readonly string[]): Tool {
  return (database) => ({
    file: PSQL,
    args: ["-X", "-q", "-v", "ON_ERROR_STOP=1", ...args, urlOf(database)],
  });
}

/** On Debian `psql` is a Perl script that starts the program, which would be to our advantage. */
const PSQL = findPsql();

function findPsql(): string {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  return versions.map((version) => join(debian, version, "bin", "psql")).find(existsSync) ?? "psql";
}

export function urlOf({ host, port, user, password, database }: Database): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}?sslmode=disable`;
}

/** @returns wall time of the whole process in milliseconds */
export async function time(command: Command, project: Project): Promise<number> {
  return (await run(command, project)).ms;
}

/**
 * Runs a command in a project to its end.
 * @throws Error with what the command wrote when it fails
 */
export async function run({ file, args, env = {} }: Command, { dir, temp }: Project) {
  const { PATH = "", HOME = "" } = process.env;
  const startedAt = performance.now();
  const child = spawn(file, args, {
    cwd: dir,
    env: { PATH, HOME, TMPDIR: temp, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  const [code] = await once(child, "exit");
  const ms = performance.now() - startedAt;
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${await stderr}`);
  return { ms, stdout: await stdout };
}
