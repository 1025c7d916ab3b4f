// @ts-check
// Where compiled code may be kept. JavaScript that Node 14 can parse, because bin/run.mjs needs it before anything is
// compiled and before it refuses old versions of Node.js.
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, realpathSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const NAME = "cdk-pg-migrate";
const WRITABLE_BY_OTHERS = 0o022;
/** In such a folder users may rename and remove only their own entries. */
const STICKY = 0o1000;

/**
 * `.cache/cdk-pg-migrate` in a `node_modules` folder, created if missing. Undefined where it cannot be written, or where
 * a user other than root, the current user and the owner of `trusted` could put code there: files in it are executed and
 * deployed. The owner of `trusted` (the migrations folder, or the program) decides what is executed in any case.
 * @param {string} modules
 * @param {string} trusted
 * @returns {string | undefined}
 */
export function safeCache(modules, trusted) {
  try {
    const owners = new Set([0, process.getuid ? process.getuid() : 0, ownerOf(trusted)]);
    // Checked before anything is created in it: it may be a link to another user's folder.
    if (!isSafe(modules, owners)) return undefined;
    const path = join(modules, ".cache", NAME);
    // Other tools share `.cache`.
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
    return isSafe(path, owners) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} path */
function ownerOf(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? stats.uid : 0;
}

/**
 * Whether only trusted owners can change the folder, or rename any folder above it.
 * @param {string} path
 * @param {ReadonlySet<number>} owners
 */
function isSafe(path, owners) {
  // Windows has access lists instead of modes; by default they close a user's folders to others.
  if (!process.getuid) return true;
  const real = realpathSync(path);
  for (let folder = real; ; folder = dirname(folder)) {
    const { uid, mode } = lstatSync(folder);
    const closed = (mode & WRITABLE_BY_OTHERS) === 0 || (folder !== real && (mode & STICKY) !== 0);
    if (!owners.has(uid) || !closed) return false;
    if (dirname(folder) === folder) return true;
  }
}

/**
 * A folder in the system's temporary folder that only the current user can enter, created if missing.
 * @returns {string}
 */
export function privateCache() {
  const uid = process.getuid ? process.getuid() : undefined;
  const path = join(tmpdir(), uid === undefined ? NAME : `${NAME}-${uid}`);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stats = lstatSync(path);
    const isPrivate = uid === undefined || (stats.uid === uid && (stats.mode & 0o077) === 0);
    if (stats.isDirectory() && isPrivate) return path;
  } catch {
    // Fall back to a new folder with an unpredictable name.
  }
  return mkdtempSync(join(tmpdir(), `${NAME}-`));
}
