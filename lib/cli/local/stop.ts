import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, MigrationError } from "../../core/index.ts";
import { executable, findBinaries } from "./binaries.ts";
import type { LocalOptions } from "./options.ts";
import { isRunning, type Postmaster } from "./postmaster.ts";

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
