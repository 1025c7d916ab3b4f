import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const NAME = "cdk-pg-migrate";
const WRITABLE_BY_OTHERS = 0o022;
/** In such a folder, everybody may rename and remove their own entries only. */
const STICKY = 0o1000;

/**
 * Where compiled migrations and digests of a folder are kept: `node_modules/.cache/cdk-pg-migrate` of the
 * nearest package up from it, else a folder of this user in the system's temporary one. Makes it.
 *
 * What lies there is executed and deployed, so nobody else may be able to change it, or to put another folder in its
 * place: not even by a `node_modules` in a shared folder above the project.
 */
export function defaultCacheDir(dir: string): string {
  const modules = nearest(dir, "node_modules");
  const beside = modules === undefined ? undefined : safeFolder(modules, dir);
  return beside ?? privateTemporaryFolder();
}

/** The path of the first entry called `name` in the folder or one above it. */
export function nearest(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  if (existsSync(path)) return path;
  const parent = dirname(dir);
  return parent === dir ? undefined : nearest(parent, name);
}

/** Undefined where it cannot be made or written (a read-only file system), or where others could change it. */
function safeFolder(modules: string, dir: string): string | undefined {
  try {
    const owners = trustedOwners(dir);
    // Looked at before anything is made in it: a link may lead to somebody else's folder.
    if (!isSafe(modules, owners)) return undefined;
    const path = join(modules, ".cache", NAME);
    // The first is shared with other tools.
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
    return isSafe(path, owners) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** Root may do everything, and whoever owns the folder of migrations decides what is executed anyway. */
function trustedOwners(dir: string): ReadonlySet<number> {
  return new Set([0, process.getuid?.() ?? 0, existsSync(dir) ? statSync(dir).uid : 0]);
}

/** Whether only the trusted can change the folder, or any above it so that the path would lead elsewhere. */
function isSafe(path: string, owners: ReadonlySet<number>): boolean {
  // Windows keeps access lists instead of modes; a user's folders are closed to others by default there.
  if (process.getuid === undefined) return true;
  const real = realpathSync(path);
  const above = (folder: string): string[] =>
    dirname(folder) === folder ? [folder] : [folder, ...above(dirname(folder))];
  return above(real).every((folder) => {
    const { uid, mode } = lstatSync(folder);
    const closed = (mode & WRITABLE_BY_OTHERS) === 0 || (folder !== real && (mode & STICKY) !== 0);
    return owners.has(uid) && closed;
  });
}

/**
 * The folder above belongs to everyone: only one that is ours, and that nobody else may enter, is used.
 */
function privateTemporaryFolder(): string {
  const uid = process.getuid?.();
  const path = join(tmpdir(), uid === undefined ? NAME : `${NAME}-${uid}`);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stats = lstatSync(path);
    const ours = uid === undefined || (stats.uid === uid && (stats.mode & 0o077) === 0);
    if (stats.isDirectory() && ours) return path;
  } catch {
    // Below: a folder whose name nobody could know.
  }
  return mkdtempSync(join(tmpdir(), `${NAME}-`));
}
