import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ifPresent } from "./failure.ts";
import { commandLine, isAlive } from "./processes.ts";
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
