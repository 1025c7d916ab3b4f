import { randomBytes } from "node:crypto";
import { chmod, cp, lstat, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MigrationError } from "../../core/index.ts";
import { type Binaries, executable } from "./binaries.ts";
import { ifPresent } from "./failure.ts";
import { openOutside } from "./outside.ts";
import { serverUser, serverUserCan } from "./server-user.ts";
import { completeSymlinks } from "./symlinks.ts";

const UNFINISHED = ".new-";
const ABANDONED_MS = 10 * 60_000;

/** The installed programs where the server's user can run them, else a copy that it can. */
export async function usableNative(binaries: Binaries): Promise<string> {
  if ((await isComplete(binaries.native)) && canRun(binaries.native)) return binaries.native;
  const outside = await openOutside(async () => true);
  const copy = join(outside, `postgres-${binaries.version}-${process.platform}-${process.arch}`);
  if ((await ifPresent(stat(copy))) === undefined) await copyNative(binaries.native, copy);
  if (!canRun(copy)) {
    throw new MigrationError("TOOL_MISSING", `the server's user cannot run ${executable(copy, "postgres")}`, {
      hint: `delete ${copy} if it is damaged; else check how ${outside} is mounted, or use docker-compose`,
    });
  }
  return copy;
}

/** node_modules may be read-only: then the missing links can only be made in a copy. */
async function isComplete(native: string): Promise<boolean> {
  try {
    await completeSymlinks(native);
    return true;
  } catch {
    return false;
  }
}

/** Runs the server's program, so that libraries, mounts and every folder above it are tried too. */
function canRun(native: string): boolean {
  if (serverUser() === undefined) return true;
  return serverUserCan(native, "test -r share/postgresql/postgres.bki && bin/postgres --version");
}

async function copyNative(from: string, to: string): Promise<void> {
  await sweepCopies(to);
  const fresh = `${to}${UNFINISHED}${randomBytes(4).toString("hex")}`;
  try {
    await cp(from, fresh, { recursive: true, verbatimSymlinks: true });
    await completeSymlinks(fresh);
    await setModes(fresh);
    await rename(fresh, to);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    // Another project may have put the same copy there meanwhile.
    if ((await ifPresent(stat(to))) === undefined) throw error;
  }
}

/** Removes copies whose maker was killed; a recent one may be another project's, still in the making. */
async function sweepCopies(copy: string): Promise<void> {
  const directory = dirname(copy);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(basename(copy) + UNFINISHED)) continue;
    const path = join(directory, name);
    const info = await ifPresent(stat(path));
    if (info !== undefined && Date.now() - info.mtimeMs > ABANDONED_MS) await rm(path, { recursive: true });
  }
}

/** The server's user reads what a private checkout holds; nobody else writes what an open umask installed. */
async function setModes(path: string): Promise<void> {
  const info = await lstat(path);
  if (info.isSymbolicLink()) return;
  await chmod(path, info.isDirectory() || (info.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (!info.isDirectory()) return;
  for (const name of await readdir(path)) await setModes(join(path, name));
}
