import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, MigrationError } from "../../core/index.ts";
import { executable, findBinaries } from "./binaries.ts";
import { ifPresent, type LocalOptions } from "./options.ts";
import { giveToServerUser } from "./server-user.ts";

/** A running server. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

interface PidFile extends Postmaster {
  /** The data folder as it was called when the server started. */
  readonly dataDir: string;
}

/** No process has this id, and Postgres accepts it as one. */
const NO_PID = 2_147_483_646;

/** The server that is running on this data folder, if one is. */
export async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const file = await readPidFile(data);
  return file !== undefined && isServing(file, data) ? { pid: file.pid, port: file.port } : undefined;
}

/** Whether that server still runs. */
export async function isRunning(data: string, { pid }: Postmaster): Promise<boolean> {
  return (await findPostmaster(data))?.pid === pid || (isAlive(pid) && servesFolder(pid, data));
}

/**
 * After a kill -9 the file stays, and its process id may by now be somebody else's: Postgres would refuse to
 * start. Only the id is replaced. The file's other lines let Postgres find out whether backends of the dead
 * server are still writing to the data, which is why it must not be deleted.
 */
export async function disownStalePid(data: string): Promise<void> {
  const file = await readPidFile(data);
  if (file === undefined || !isAlive(file.pid) || isServing(file, data)) return;
  const path = pidPath(data);
  const [, ...rest] = (await readFile(path, "utf8")).split("\n");
  const fresh = `${path}.${randomBytes(4).toString("hex")}`;
  await writeFile(fresh, [NO_PID, ...rest].join("\n"), { mode: 0o600, flag: "wx" });
  await giveToServerUser(fresh);
  await rename(fresh, path);
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
  // Another path that still exists is the original of which this folder is a copy; one that does not was
  // this folder's before it was moved.
  if (file.dataDir !== data && existsSync(file.dataDir)) return false;
  return isAlive(file.pid) && servesFolder(file.pid, file.dataDir);
}

/** Process ids are used again, by another project's server too. */
function servesFolder(pid: number, dataDir: string): boolean {
  if (process.platform === "win32") return true;
  const words = commandLine(pid);
  return words?.join(" ").includes(`postgres -D ${dataDir} `) ?? false;
}

/**
 * Whether a process with this id is running. A dead one that its parent has not collected does not count:
 * in a container whose first process collects nothing, they stay for ever.
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
    // "pid (name) state …", and the name may itself hold brackets and spaces.
    return /\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** The command line of a process; undefined where it cannot be read. */
export function commandLine(pid: number): readonly string[] | undefined {
  try {
    if (process.platform === "linux") {
      // Not /proc/<pid>/cwd or exe: root in a container may not read those of another user.
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

/** Ends a server: its sessions are broken off; one that does not end is made to, and recovers at its next start. */
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

/** Windows has no signals: a kill would be a crash of the database. */
async function stopWithPgCtl(data: string, { projectDir, packageName }: LocalOptions): Promise<void> {
  const { native } = await findBinaries(projectDir, packageName);
  spawnSync(executable(native, "pg_ctl"), ["stop", "-D", data, "-m", "fast"], { windowsHide: true });
}
