import { MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../migrator/index.ts";
import { DATABASE_DEFAULTS } from "../defaults.ts";
import { commandLine } from "../world.ts";
import { createDatabase, waitForReply } from "./connect.ts";
import { findData, isInProject, majorOf } from "./data-folder.ts";
import { unusable } from "./failure.ts";
import type { LocalFolder } from "./folder.ts";
import { type LocalOptions, type LocalServer, RESET_HINT } from "./options.ts";
import { LISTEN_ADDRESS } from "./ports.ts";
import { findPostmaster, isRunning, type Postmaster } from "./postmaster.ts";
import { readState, type State } from "./state.ts";

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
