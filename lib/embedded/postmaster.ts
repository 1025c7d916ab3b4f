import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, MigrationError } from "../core/index.ts";
import { executable, findBinaries } from "./binaries.ts";
import { ifPresent, replaceFile } from "./files.ts";
import type { LocalOptions } from "./options.ts";

/** A running server. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

interface PidFile extends Postmaster {
  /** Path of the data directory when the server started. */
  readonly dataDir: string;
}

/** An id that no process has but that Postgres accepts. */
const NO_PID = 2_147_483_646;

/** Finds the server that runs on this data directory. */
export async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const file = await readPidFile(data);
  return file !== undefined && isServing(file, data) ? { pid: file.pid, port: file.port } : undefined;
}

/** Whether the server still runs. */
export async function isRunning(data: string, { pid }: Postmaster): Promise<boolean> {
  return (await findPostmaster(data))?.pid === pid || (isAlive(pid) && servesFolder(pid, data));
}

/**
 * After `kill -9` the pid file stays, and another process may have its id by now, so that Postgres would refuse to start.
 * Only the id is replaced: from the other lines Postgres finds out whether backends of the dead server still write to
 * the data, so the file must not be deleted.
 */
export async function replaceStalePid(data: string): Promise<void> {
  const file = await readPidFile(data);
  if (file === undefined || !isAlive(file.pid) || isServing(file, data)) return;
  const path = pidPath(data);
  const [, ...rest] = (await readFile(path, "utf8")).split("\n");
  await replaceFile(path, [NO_PID, ...rest].join("\n"), "server");
}

function pidPath(data: string): string {
  return join(data, "postmaster.pid");
}

async function readPidFile(data: string): Promise<PidFile | undefined> {
  const text = await ifPresent(readFile(pidPath(data), "utf8"));
  const [pid, dataDir, , port] = (text ?? "").split("\n");
  if (!pid || !dataDir || !port) return undefined;
  return { pid: Number.parseInt(pid, 10), port: Number.parseInt(port, 10), dataDir };
}

function isServing(file: PidFile, data: string): boolean {
  // If the other path still exists, this directory is a copy of it; if not, this directory was moved.
  if (file.dataDir !== data && existsSync(file.dataDir)) return false;
  return isAlive(file.pid) && servesFolder(file.pid, file.dataDir);
}

/** Process ids are reused, even by the server of another project. */
function servesFolder(pid: number, dataDir: string): boolean {
  if (process.platform === "win32") return true;
  const words = commandLine(pid);
  return words?.join(" ").includes(`postgres -D ${dataDir} `) ?? false;
}

/**
 * Whether a process with this id is running. Zombies do not count: in a container whose first process does not reap its
 * children, they stay forever.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    // The format is "pid (name) state …"; the name may contain parentheses and spaces.
    return /\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** The command line of a process; undefined where it cannot be read. */
export function commandLine(pid: number): readonly string[] | undefined {
  try {
    if (process.platform === "linux") {
      // Root in a container cannot read /proc/<pid>/cwd or exe of another user.
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    }
    if (process.platform === "win32") return undefined;
    return [execFileSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" })];
  } catch {
    return undefined;
  }
}

const FAST_MS = 30_000;
const IMMEDIATE_MS = 10_000;
const POLL_MS = 5;

/** Stops a server with SIGINT, which ends its sessions, then with SIGQUIT, after which it recovers at its next start. */
export async function stopServer(data: string, server: Postmaster, options: LocalOptions): Promise<void> {
  if (process.platform === "win32") await stopWithPgCtl(data, options);
  else signal(server.pid, "SIGINT");
  if (await hasEnded(data, server, FAST_MS)) return;
  signal(server.pid, "SIGQUIT");
  if (await hasEnded(data, server, IMMEDIATE_MS)) return;
  throw new MigrationError("STARTING", `the local database (process ${server.pid}) does not stop`, {
    hint: "end the process by hand",
  });
}

function signal(pid: number, name: "SIGINT" | "SIGQUIT"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

async function hasEnded(data: string, server: Postmaster, limit: number): Promise<boolean> {
  const deadline = Date.now() + limit;
  while (await isRunning(data, server)) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Windows has no signals: a kill would crash the database. */
async function stopWithPgCtl(data: string, { projectDir, packageName }: LocalOptions): Promise<void> {
  const { native } = await findBinaries(projectDir, packageName);
  spawnSync(executable(native, "pg_ctl"), ["stop", "-D", data, "-m", "fast"], { windowsHide: true });
}
