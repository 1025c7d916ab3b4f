import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { type LocalOptions, type LocalServer, resetLocal } from "../../lib/embedded/index.ts";
import { compiled } from "./compiled.ts";
import { hasSharedMemory } from "./postgres.ts";

const COMMAND = fileURLToPath(new URL("./local-command.ts", import.meta.url));
export interface CommandResult<Result = LocalServer> {
  readonly result?: Result;
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface CommandOptions extends LocalOptions {
  readonly as?: User;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts one call of the launcher in a process of its own. */
export function spawnCommand(name: string, { as, env, ...options }: CommandOptions): ChildProcess {
  const { PATH } = process.env;
  return spawn(process.execPath, [compiled(COMMAND), name, JSON.stringify(options)], {
    ...as,
    cwd: "/",
    env: { PATH, HOME: options.projectDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs it to its end. */
export async function command<Result = LocalServer>(
  name: string,
  options: CommandOptions,
): Promise<CommandResult<Result>> {
  const child = spawnCommand(name, options);
  let output = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  await new Promise((resolve) => child.once("close", resolve));
  if (output === "") throw new Error(`no answer: ${errors}`);
  return JSON.parse(output);
}

/** Runs a test with project folders; whatever was started in them is stopped and deleted afterwards. */
export async function withProjects(count: number, test: (...dirs: string[]) => Promise<void>): Promise<void> {
  const dirs: string[] = [];
  for (let i = 0; i < count; i++) dirs.push(await makeProject());
  try {
    await test(...dirs);
  } finally {
    for (const projectDir of dirs) {
      await resetLocal({ projectDir }).catch(() => undefined);
      await rm(projectDir, { recursive: true, force: true });
    }
  }
}

async function makeProject(): Promise<string> {
  const home = hasSharedMemory() ? "/dev/shm" : tmpdir();
  const dir = await mkdtemp(join(home, "cdk-pg-migrate-local-"));
  await chmod(dir, 0o755);
  return dir;
}

/** Some user of this machine who is neither root nor the one that root's servers run as. */
export function ordinaryUser(): User {
  const lines = readFileSync("/etc/passwd", "utf8").trim().split("\n");
  const users = lines
    .map((line) => line.split(":"))
    .map(([, , uid, gid]) => ({ uid: Number(uid), gid: Number(gid) }));
  const user = users.find(({ uid }) => uid > 0 && uid < 65534);
  if (user === undefined) throw new Error("no ordinary user in /etc/passwd");
  return user;
}

export async function give(path: string, { uid, gid }: User): Promise<void> {
  await chown(path, uid, gid);
}

/** What a query gives on that server. */
export async function ask(
  { connection: { host, port, database, user, password } }: Pick<LocalServer, "connection">,
  sql: string,
): Promise<unknown[][]> {
  const client = new pg.Client({ host, port, database, user, password, ssl: false });
  // A test may kill the server under it.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

export function uidOf(pid: number): number {
  const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(uid);
}
