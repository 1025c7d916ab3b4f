import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { errorCode } from "../../core/index.ts";
import { ifPresent, RESET_HINT, unusable } from "./options.ts";
import { ownUid, serverUser } from "./server-user.ts";

/** The project's folder for its local database. */
export interface LocalFolder {
  readonly projectDir: string;
  readonly path: string;
  readonly stateFile: string;
  readonly lockFile: string;
  readonly logFile: string;
}

/** The folder, when it is there; refuses one that another user made. */
export async function findFolder(projectDir: string): Promise<LocalFolder | undefined> {
  const folder = await describe(projectDir);
  const info = await ifPresent(stat(folder.path));
  if (info === undefined) return undefined;
  if (!info.isDirectory()) throw unusable(`${folder.path} is not a folder`, "move it out of the way");
  const uid = ownUid();
  if (uid !== undefined && info.uid !== uid) throw ownedByAnother(folder.path, info.uid, uid);
  return folder;
}

/** The folder, made when it is missing; one that was left half-made is completed. */
export async function openFolder(projectDir: string): Promise<LocalFolder> {
  const folder = (await findFolder(projectDir)) ?? (await describe(projectDir));
  await complete(folder);
  return folder;
}

async function complete(folder: LocalFolder): Promise<void> {
  // The server of a root user is another user: it has to pass through to its data, not to read.
  const mode = serverUser() === undefined ? 0o700 : 0o711;
  try {
    await mkdir(folder.path, { recursive: true });
    await chmod(folder.path, mode);
    // The project's own .gitignore may not name this folder.
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
  /** The last port; absent before the first start. */
  port: v.optional(v.number()),
  /** Where the data is, for people to read; `data-folder.ts` believes it only where it would put data itself. */
  dataDir: v.string(),
});

/** What is known about a project's server between two commands. Holds its password: mode 0600. */
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
    // Not the cause: its message quotes the file, and with it the password.
    throw unusable(`${path} is damaged or of another version of this tool`, RESET_HINT);
  }
}

/** Replaces the state at once: a reader sees the old one or the new one. */
export async function writeState(folder: LocalFolder, state: State): Promise<void> {
  const fresh = `${folder.stateFile}.${randomBytes(4).toString("hex")}`;
  await writeFile(fresh, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  await rename(fresh, folder.stateFile);
}
