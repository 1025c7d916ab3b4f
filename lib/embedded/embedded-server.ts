import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { DATABASE_DEFAULTS, MigrationError } from "../core/index.ts";
import type { ConnectionSettings } from "../postgres/index.ts";
import { findBinaries, runnableNative } from "./binaries.ts";
import { allData, deleteData, findData, isInProject, majorOf } from "./data-directory.ts";
import { type Prepared, prepareData } from "./initialise.ts";
import {
  choosePort,
  createDatabase,
  isFree,
  LISTEN_ADDRESS,
  launch,
  tailOf,
  waitForReply,
} from "./launch.ts";
import { withLock } from "./lock.ts";
import { type LocalOptions, type LocalServer, RESET_HINT, unusable } from "./options.ts";
import { findPostmaster, isRunning, type Postmaster, replaceStalePid, stopServer } from "./postmaster.ts";
import {
  findFolder,
  type LocalFolder,
  openFolder,
  readState,
  type State,
  writeState,
} from "./project-folder.ts";

/**
 * Starts the Postgres of a project unless it already runs. The server keeps running when this process ends. Concurrent
 * calls result in one server.
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

/** Finds the running server of a project. Starts and changes nothing. */
export function findLocal(options: LocalOptions): Promise<LocalServer | undefined> {
  return findWith(options, { complete: false });
}

/** Stops the server of a project and keeps its data. */
export async function stopLocal(options: LocalOptions): Promise<{ stopped: boolean }> {
  const folder = await findFolder(options.projectDir);
  if (folder === undefined) return { stopped: false };
  return withLock(folder.lockFile, async () => ({ stopped: await stopAll(folder, options) }));
}

/** Stops the server of a project and deletes its data, password and log, even if they are damaged. */
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

/** Checks all data directories of the project, because the state may be lost. */
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

/** How long to retry if the cause is temporary: a taken port, or backends of a killed server. */
const RETRY_MS = 30_000;
const PAUSE_MS = 250;

/** Starts a server that does not run. The caller holds the lock. */
export async function start(folder: LocalFolder, options: LocalOptions): Promise<LocalServer> {
  const installed = await findBinaries(folder.projectDir, options.packageName);
  const binaries = { ...installed, native: await runnableNative(installed) };
  const prepared = await prepareData(folder, options, binaries);
  const deadline = Date.now() + RETRY_MS;
  for (;;) {
    const { port, logFrom } = await attemptStart(folder, options, binaries.native, prepared);
    const server = await findRunning(folder, options, { complete: true });
    if (server !== undefined) return { ...server, started: true };
    const tail = await tailOf(folder.logFile, logFrom);
    const isRetryable = isTemporary(tail) || !(await isFree(port));
    if (!isRetryable || Date.now() > deadline) throw failed(folder, tail);
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
  // Written before the start, so that the server is found even if this process is killed right after it.
  await writeState(folder, { ...state, port, dataDir: data });
  await replaceStalePid(data);
  const settings = options.serverSettings ?? {};
  const logFrom = await launch({ native, data, logFile: folder.logFile, connection, settings });
  return { port, logFrom };
}

/** Backends of a killed server are still running. */
function isTemporary(tail: string): boolean {
  return /pre-existing shared memory block|lock file "postmaster\.pid" already exists/.test(tail);
}

function failed(folder: LocalFolder, tail: string): MigrationError {
  return new MigrationError("CONNECTION", `the local database did not start; its log ends with:\n${tail}`, {
    hint: `the whole log is in ${folder.logFile}; \`db:reset\` deletes the database`,
  });
}

/** Finds the running server. With `complete`, creates its database if it is missing. */
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
    hint: `see ${folder.logFile}; \`db:stop\` ends it`,
  });
}
