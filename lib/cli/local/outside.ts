import { chmod, lstat, mkdir } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { unusable } from "./failure.ts";
import { ownUid, serverUser, serverUserCan } from "./server-user.ts";

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
