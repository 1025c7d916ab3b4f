import { setTimeout as sleep } from "node:timers/promises";
import { MigrationError } from "../../core/index.ts";
import { commandLine } from "../world.ts";
import { findBinaries } from "./binaries.ts";
import type { LocalFolder } from "./folder.ts";
import { launch } from "./launch.ts";
import { usableNative } from "./native.ts";
import type { LocalOptions, LocalServer } from "./options.ts";
import { choosePort, isFree } from "./ports.ts";
import { disownStalePid } from "./postmaster.ts";
import { type Prepared, prepareData } from "./prepare.ts";
import { connectionTo, findRunning } from "./running.ts";
import { tailOf } from "./server-log.ts";
import { writeState } from "./state.ts";

/** How long to try again where the reason may go away: a taken port, a killed server's backends. */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 250;

/** Starts the project's server, which is known not to run. The caller holds the lock. */
export async function start(folder: LocalFolder, options: LocalOptions): Promise<LocalServer> {
  const installed = await findBinaries(folder.projectDir, options.packageName);
  const binaries = { ...installed, native: await usableNative(installed) };
  const prepared = await prepareData(folder, options, binaries);
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { port, logFrom } = await attemptStart(folder, options, binaries.native, prepared);
    const server = await findRunning(folder, options, { complete: true });
    if (server !== undefined) return { ...server, started: true };
    const tail = await tailOf(folder.logFile, logFrom);
    const mayPass = isPassing(tail) || !(await isFree(port));
    if (!mayPass || Date.now() > deadline) throw failed(folder, tail);
    await sleep(PAUSE_MS);
  }
}

async function attemptStart(
  folder: LocalFolder,
  options: LocalOptions,
  native: string,
  { state, data }: Prepared,
): Promise<{ port: number; logFrom: number }> {
  const port = await choosePort(folder.projectDir, state.port);
  const connection = connectionTo(state, port, options);
  // Before the start: should we be killed right after it, the server is found again.
  await writeState(folder, { ...state, port, dataDir: data });
  await disownStalePid(data);
  const settings = options.serverSettings ?? {};
  const logFrom = await launch({ native, data, logFile: folder.logFile, connection, settings });
  return { port, logFrom };
}

/** What goes away by itself: what is left of a killed server still writes, or is about to end. */
function isPassing(tail: string): boolean {
  return /pre-existing shared memory block|lock file "postmaster\.pid" already exists/.test(tail);
}

function failed(folder: LocalFolder, tail: string): MigrationError {
  return new MigrationError("CONNECTION", `the local database did not start; its log ends with:\n${tail}`, {
    hint: `the whole log is in ${folder.logFile}; \`${commandLine("db:reset")}\` deletes the database and begins anew`,
  });
}
