// Where compiled code of the command line may lie: the same rule as for compiled migrations (lib/bundle/cache-dir.ts),
// in JavaScript, because it is needed before anything is compiled.
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const NAME = "cdk-pg-migrate";

/**
 * `.cache/cdk-pg-migrate` in a `node_modules` folder, made when it is missing. Undefined where it cannot be written, or
 * where somebody else than the owners of `program`, its file, could put code there for us to run.
 */
export function safeCache(modules, program) {
  try {
    const owners = new Set([0, process.getuid ? process.getuid() : 0, lstatSync(program).uid]);
    if (!isSafe(modules, owners)) return undefined;
    const path = join(modules, ".cache", NAME);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
    return isSafe(path, owners) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** Every folder on the way is of a trusted owner, and others can neither write to it nor, above it, rename it. */
function isSafe(path, owners) {
  if (!process.getuid) return true;
  const real = realpathSync(path);
  for (let folder = real; ; folder = dirname(folder)) {
    const { uid, mode } = lstatSync(folder);
    const closed = (mode & 0o022) === 0 || (folder !== real && (mode & 0o1000) !== 0);
    if (!owners.has(uid) || !closed) return false;
    if (dirname(folder) === folder) return true;
  }
}

/** A folder that only this user can enter, in the system's temporary one. */
export function privateCache() {
  const uid = process.getuid ? process.getuid() : undefined;
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
