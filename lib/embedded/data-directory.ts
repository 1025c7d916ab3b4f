import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, readFile, rm, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { deleteTemporary, ifPresent, temporaryPath } from "./files.ts";
import { unusable } from "./options.ts";
import type { LocalFolder, State } from "./project-folder.ts";
import { giveToServerUser, ownUid, serverUser, serverUserCan } from "./server-user.ts";

const NAME = "cdk-pg-migrate";

/** Folders outside the project for data and binaries, in order of preference. */
export function sharedFolders(): readonly string[] {
  const { LOCALAPPDATA, XDG_DATA_HOME } = process.env;
  if (process.platform === "win32") {
    return [join(LOCALAPPDATA || join(homedir(), "AppData", "Local"), NAME)];
  }
  if (serverUser() !== undefined) return [`/var/lib/${NAME}`, `/var/tmp/${NAME}`];
  return [
    join(XDG_DATA_HOME || join(homedir(), ".local", "share"), NAME),
    join(tmpdir(), `${NAME}-${ownUid()}`),
  ];
}

/** Finds or creates the first shared folder that passes the test. */
export async function openSharedFolder(isSuitable: (directory: string) => Promise<boolean>): Promise<string> {
  const candidates = sharedFolders();
  for (const directory of candidates) {
    if ((await isOurs(directory)) && (await isSuitable(directory))) return directory;
  }
  throw unusable(
    `the local database cannot be kept in the project, nor in ${candidates.join(" or ")}`,
    "make one of them writable for this user and readable for the server's, or use docker-compose",
  );
}

/** Creates the folder. False if that fails or if another user could change its contents. */
async function isOurs(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const info = await lstat(directory);
    if (!info.isDirectory()) return false;
    if (process.platform === "win32") return true;
    if (info.uid !== ownUid() || (info.mode & 0o022) !== 0) return false;
    // The umask may have removed permissions that the server's user needs.
    if (serverUser() !== undefined) await chmod(directory, 0o755);
    return serverUserCan(directory);
  } catch {
    return false;
  }
}

const DATA = "data";

/** All folders that may contain the data of this project. No other folder is ever used or deleted. */
function homes(folder: LocalFolder): readonly string[] {
  const name = createHash("sha256").update(folder.projectDir).digest("hex").slice(0, 16);
  return [folder.path, ...sharedFolders().map((shared) => join(shared, name))];
}

/** Finds the data. The directory in the state is only preferred, because the project may have been moved. */
export async function findData(folder: LocalFolder, state: State): Promise<string | undefined> {
  const places = homes(folder).map((home) => join(home, DATA));
  const first = places.filter((place) => place === state.dataDir);
  for (const place of [...first, ...places]) {
    if ((await ifPresent(stat(place)))?.isDirectory()) return place;
  }
  return undefined;
}

/** All existing data directories of the project, whatever the state says. */
export async function allData(folder: LocalFolder): Promise<readonly string[]> {
  const places = homes(folder).map((home) => join(home, DATA));
  const infos = await Promise.all(places.map((place) => ifPresent(stat(place))));
  return places.filter((_, index) => infos[index] !== undefined);
}

export function isInProject(folder: LocalFolder, data: string): boolean {
  return data === join(folder.path, DATA);
}

/** Chooses the directory for new data. */
export async function chooseData(folder: LocalFolder): Promise<string> {
  if (await canHoldData(folder.path)) return join(folder.path, DATA);
  const shared = await openSharedFolder(canHoldData);
  const home = homes(folder).find((candidate) => candidate.startsWith(join(shared, "/")));
  if (home === undefined) throw new Error(`no home for ${folder.projectDir} in ${shared}`);
  await mkdir(home, { recursive: true });
  // Set the mode despite the umask: whoever can write here could replace the data.
  await chmod(home, serverUser() === undefined ? 0o700 : 0o755);
  return join(home, DATA);
}

/** Creates an empty directory next to `data` for initdb, which is renamed to `data` when it is complete. */
export async function createUnfinished(data: string): Promise<string> {
  return createPrivate(temporaryPath(data));
}

async function createPrivate(path: string): Promise<string> {
  await mkdir(path, { mode: 0o700 });
  await giveToServerUser(path);
  return path;
}

/**
 * Tests the directory by creating one in it: mounts of another system (WSL, shared folders of a virtual machine) ignore
 * modes and owners, and Postgres rejects a data directory that others can read.
 */
async function canHoldData(directory: string): Promise<boolean> {
  if (process.platform === "win32") return true;
  const trial = temporaryPath(join(directory, DATA));
  try {
    await createPrivate(trial);
    const { mode, uid } = await stat(trial);
    const owner = serverUser()?.uid ?? ownUid();
    return (mode & 0o777) === 0o700 && uid === owner && serverUserCan(trial, "test -w .");
  } catch {
    return false;
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

export async function deleteData(folder: LocalFolder): Promise<void> {
  for (const home of homes(folder)) {
    if (home === folder.path) await deleteWithin(home);
    else await rm(home, { recursive: true, force: true });
  }
}

async function deleteWithin(home: string): Promise<void> {
  await rm(join(home, DATA), { recursive: true, force: true });
  await deleteTemporary(join(home, DATA));
}

/** Major version of Postgres that created the data. */
export async function majorOf(data: string): Promise<number> {
  return Number.parseInt(await readFile(join(data, "PG_VERSION"), "utf8"), 10);
}
