import { chmod, mkdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { errorCode } from "../core/index.ts";
import { ifPresent, replaceFile } from "./files.ts";
import { RESET_HINT, unusable } from "./options.ts";
import { ownUid, serverUser } from "./server-user.ts";

/** The folder of a project for its local database. */
export interface LocalFolder {
  readonly projectDir: string;
  readonly path: string;
  readonly stateFile: string;
  readonly lockFile: string;
  readonly logFile: string;
}

/** Finds an existing folder. Throws if it belongs to another user. */
export async function findFolder(projectDir: string): Promise<LocalFolder | undefined> {
  const folder = await describe(projectDir);
  const info = await ifPresent(stat(folder.path));
  if (info === undefined) return undefined;
  if (!info.isDirectory()) throw unusable(`${folder.path} is not a folder`, "move it out of the way");
  const uid = ownUid();
  if (uid !== undefined && info.uid !== uid) throw ownedByAnother(folder.path, info.uid, uid);
  return folder;
}

/** Finds or creates the folder, and completes one that is incomplete. */
export async function openFolder(projectDir: string): Promise<LocalFolder> {
  const folder = (await findFolder(projectDir)) ?? (await describe(projectDir));
  await complete(folder);
  return folder;
}

async function complete(folder: LocalFolder): Promise<void> {
  // If we are root, the server runs as another user, who must be able to enter the folder but not to read it.
  const mode = serverUser() === undefined ? 0o700 : 0o711;
  try {
    await mkdir(folder.path, { recursive: true });
    await chmod(folder.path, mode);
    // The .gitignore of the project may not list this folder.
    await writeFile(join(folder.path, ".gitignore"), "*\n", { mode: 0o644 });
  } catch (error) {
    throw unusable(
      `cannot write to ${folder.path} (${errorCode(error) ?? "unknown reason"})`,
      "the embedded database keeps its state there: make the project folder writable, or set DATABASE_URL",
      error,
    );
  }
}

async function describe(projectDir: string): Promise<LocalFolder> {
  const project = await ifPresent(realpath(projectDir));
  if (project === undefined) throw unusable(`there is no folder ${projectDir}`, "name the project's folder");
  const path = join(project, ".local-postgres");
  return {
    projectDir: project,
    path,
    stateFile: join(path, "state.json"),
    lockFile: join(path, "lock"),
    logFile: join(path, "server.log"),
  };
}

function ownedByAnother(path: string, owner: number, self: number): Error {
  const name = (uid: number) => (uid === 0 ? "root" : `user ${uid}`);
  return unusable(
    `the local database in ${path} belongs to ${name(owner)}, and this is ${name(self)}`,
    `run the command as ${name(owner)}; or stop that server as ${name(owner)}, delete the folder and start again`,
  );
}

const State = v.object({
  format: v.literal(1),
  user: v.string(),
  password: v.string(),
  /** Port of the last start. */
  port: v.optional(v.number()),
  /** The data directory. It is used only if it is one of the places that we would choose. */
  dataDir: v.string(),
});

/** What commands store about the server. The file contains the password, so its mode is 0600. */
export type State = v.InferOutput<typeof State>;

export async function readState(folder: LocalFolder): Promise<State | undefined> {
  let text: string | undefined;
  try {
    text = await ifPresent(readFile(folder.stateFile, "utf8"));
  } catch (error) {
    throw unusable(
      `cannot read ${folder.stateFile} (${errorCode(error) ?? "unknown reason"})`,
      RESET_HINT,
      error,
    );
  }
  return text === undefined ? undefined : parse(text, folder.stateFile);
}

function parse(text: string, path: string): State {
  try {
    return v.parse(State, JSON.parse(text));
  } catch {
    // The cause is left out: its message quotes the file, and so the password.
    throw unusable(`${path} is damaged or of another version of this tool`, RESET_HINT);
  }
}

export async function writeState(folder: LocalFolder, state: State): Promise<void> {
  await replaceFile(folder.stateFile, `${JSON.stringify(state, null, 2)}\n`, "us");
}
