import { createHash, randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { ifPresent, unusable } from "./options.ts";
import type { LocalFolder, State } from "./project-folder.ts";
import { giveToServerUser, ownUid, serverUser, serverUserCan } from "./server-user.ts";

const NAME = "cdk-pg-migrate";

/** Folders outside the project where this user may keep data and binaries, the best one first. */
export function outsideFolders(): readonly string[] {
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

/** The first of them that `suits`, made when it is missing. */
export async function openOutside(suits: (directory: string) => Promise<boolean>): Promise<string> {
  const tried = outsideFolders();
  for (const directory of tried) {
    if ((await isOurs(directory)) && (await suits(directory))) return directory;
  }
  throw unusable(
    `the local database cannot be kept in the project, nor in ${tried.join(" or ")}`,
    "make one of them writable for this user and readable for the server's, or use docker-compose",
  );
}

/** Makes the folder; false where that fails or where someone else could change what is in it. */
async function isOurs(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const info = await lstat(directory);
    if (!info.isDirectory()) return false;
    if (process.platform === "win32") return true;
    if (info.uid !== ownUid() || (info.mode & 0o022) !== 0) return false;
    // The umask may have taken from the mode what the server's user needs.
    if (serverUser() !== undefined) await chmod(directory, 0o755);
    return serverUserCan(directory);
  } catch {
    return false;
  }
}

const DATA = "data";
/** Begins the name of everything that is not finished: swept away by the next start. */
export const UNFINISHED = "data.new-";

/** Every folder that may hold this project's data, so that nothing else is ever run from or deleted. */
function homes(folder: LocalFolder): readonly string[] {
  const name = createHash("sha256").update(folder.projectDir).digest("hex").slice(0, 16);
  return [folder.path, ...outsideFolders().map((outside) => join(outside, name))];
}

/** Where the data is: what the state says, if that is a place of ours (the project may have been moved). */
export async function findData(folder: LocalFolder, state: State): Promise<string | undefined> {
  const places = homes(folder).map((home) => join(home, DATA));
  const first = places.filter((place) => place === state.dataDir);
  for (const place of [...first, ...places]) {
    if ((await ifPresent(stat(place)))?.isDirectory()) return place;
  }
  return undefined;
}

/** Every data folder of the project that exists, whatever the state says. */
export async function allData(folder: LocalFolder): Promise<readonly string[]> {
  const places = homes(folder).map((home) => join(home, DATA));
  const infos = await Promise.all(places.map((place) => ifPresent(stat(place))));
  return places.filter((_, index) => infos[index] !== undefined);
}

export function isInProject(folder: LocalFolder, data: string): boolean {
  return data === join(folder.path, DATA);
}

/** Chooses where new data will be. */
export async function chooseData(folder: LocalFolder): Promise<string> {
  if (await canHoldData(folder.path)) return join(folder.path, DATA);
  const outside = await openOutside(canHoldData);
  const home = homes(folder).find((candidate) => candidate.startsWith(join(outside, "/")));
  if (home === undefined) throw new Error(`no home for ${folder.projectDir} in ${outside}`);
  await mkdir(home, { recursive: true });
  // Whatever the umask says: who may write here can put other data in the place of ours.
  await chmod(home, serverUser() === undefined ? 0o700 : 0o755);
  return join(home, DATA);
}

/** An empty folder beside `data`, fit for initdb: renamed to it when it is complete. */
export async function makeUnfinished(data: string): Promise<string> {
  return makePrivate(join(data, "..", `${UNFINISHED}${randomBytes(4).toString("hex")}`));
}

async function makePrivate(path: string): Promise<string> {
  await mkdir(path, { mode: 0o700 });
  await giveToServerUser(path);
  return path;
}

/**
 * Tried out rather than reasoned about: mounts of another system (WSL, shared folders of a virtual machine)
 * ignore modes and owners, and Postgres refuses a data folder that others can read.
 */
async function canHoldData(directory: string): Promise<boolean> {
  if (process.platform === "win32") return true;
  const trial = join(directory, `${UNFINISHED}${randomBytes(4).toString("hex")}`);
  try {
    await makePrivate(trial);
    const { mode, uid } = await stat(trial);
    const owner = serverUser()?.uid ?? ownUid();
    return (mode & 0o777) === 0o700 && uid === owner && serverUserCan(trial, "test -w .");
  } catch {
    return false;
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

/** Removes what a killed start left behind. */
export async function sweep(data: string): Promise<void> {
  const home = join(data, "..");
  for (const name of await readdir(home)) {
    if (!name.startsWith(UNFINISHED)) continue;
    // An initdb that outlived its parent may still write: what it leaves, the next sweep takes.
    await rm(join(home, name), { recursive: true, force: true }).catch(() => undefined);
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
  await sweep(join(home, DATA));
}

/** Major version of Postgres that made the data. */
export async function majorOf(data: string): Promise<number> {
  return Number.parseInt(await readFile(join(data, "PG_VERSION"), "utf8"), 10);
}
