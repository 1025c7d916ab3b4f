import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { SCRATCH_PREFIX } from "../../lib/review/verify/scratch.ts";
import type { TestDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { runInSharedProcess } from "./shared-process.ts";

/** The command as a user starts it. */
export const COMMAND = fileURLToPath(new URL("../../bin/run.mjs", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly pid: number;
  /** Both outputs together, as far as they have come. */
  output(): string;
  send(signal: NodeJS.Signals): void;
  readonly ended: Promise<Outcome>;
}

export type Environment = Readonly<Record<string, string>>;

/** A project folder with these migrations. */
export function writeProject(migrations: Readonly<Record<string, string>>): string {
  const dir = writeFolder({});
  addMigrations(dir, migrations);
  return dir;
}

export function addMigrations(project: string, migrations: Readonly<Record<string, string>>): void {
  const named = Object.entries(migrations).map(([name, text]) => [`migrations/${name}`, text]);
  addFiles(project, Object.fromEntries(named));
}

/** The variables that lead a command to a test's database. */
export function environmentOf({ host, port, database, user, password }: ConnectionSettings): Environment {
  return {
    DATABASE_HOST: host,
    DATABASE_PORT: String(port),
    DATABASE_NAME: database,
    DATABASE_USER: user,
    DATABASE_PASSWORD: password,
    DATABASE_SSL: "disable",
  };
}

/** Starts a command. Its environment holds nothing that the test does not name. */
export function startCommand(
  project: string,
  args: readonly string[],
  env: Environment = {},
  options: StartOptions = {},
): RunningCommand {
  return startProgram(project, process.execPath, [COMMAND, ...args], env, options);
}

interface StartOptions {
  /** As the leader of a process group, as a shell does: a signal to `-pid` is Ctrl-C, which its children get too. */
  readonly detached?: boolean;
}

function withBasics(cwd: string, env: Environment): Environment {
  const { PATH = "" } = process.env;
  return { PATH, HOME: cwd, ...env };
}

export function startProgram(
  cwd: string,
  program: string,
  args: readonly string[],
  env: Environment = {},
  { detached = false }: StartOptions = {},
): RunningCommand {
  const child = spawn(program, args, {
    cwd,
    env: withBasics(cwd, env),
    stdio: ["ignore", "pipe", "pipe"],
    detached,
  });
  const texts = { stdout: "", stderr: "", both: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
      texts.both += text;
    });
  }
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout: texts.stdout, stderr: texts.stderr }));
  });
  return {
    pid: child.pid ?? 0,
    output: () => texts.both,
    send: (signal) => void child.kill(signal),
    ended,
  };
}

/** Runs a command to its end in its own process, as a user does. */
export function runInOwnProcess(
  project: string,
  args: readonly string[],
  env: Environment = {},
): Promise<Outcome> {
  return startCommand(project, args, env).ended;
}

/** Runs a command to its end in a process that the commands of a test file share; one at a time. */
export function runCommand(
  project: string,
  args: readonly string[],
  env: Environment = {},
): Promise<Outcome> {
  return runInSharedProcess(project, args, withBasics(project, env));
}

/** The one JSON object that stdout must be. */
export function jsonOf({ stdout }: Outcome): Record<string, unknown> {
  const value: unknown = JSON.parse(stdout);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`no object: ${stdout}`);
  return Object.fromEntries(Object.entries(value));
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(25);
  }
}

/**
 * Call before a command that makes scratch databases. What it returns waits until those made since are gone: other test
 * files make theirs on the same server and drop them soon, or leave theirs when they are killed.
 */
export async function watchScratch(db: TestDatabase): Promise<() => Promise<void>> {
  const list = async () => {
    const rows = await db.query<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE datname LIKE '${SCRATCH_PREFIX}%'`,
    );
    return rows.map(({ name }) => name);
  };
  const before = await list();
  return async () => {
    const made = (await list()).filter((name) => !before.includes(name));
    await until(
      async () => (await list()).every((name) => !made.includes(name)),
      "the end of scratch databases",
    );
  };
}
