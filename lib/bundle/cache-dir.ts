import { accessSync, constants, existsSync, lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const NAME = "cdk-pg-migrate";

/**
 * Where compiled migrations and digests of a folder are kept: `node_modules/.cache/cdk-pg-migrate` of the
 * nearest package up from it, else a folder of this user in the system's temporary one. Makes it.
 */
export function defaultCacheDir(dir: string): string {
  const modules = nearest(dir, "node_modules");
  const beside = modules === undefined ? undefined : writableFolder(join(modules, ".cache", NAME));
  return beside ?? privateTemporaryFolder();
}

/** The path of the first entry called `name` in the folder or one above it. */
export function nearest(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  if (existsSync(path)) return path;
  const parent = dirname(dir);
  return parent === dir ? undefined : nearest(parent, name);
}

/** Undefined where it cannot be made or written: an image's read-only file system, another user's checkout. */
function writableFolder(path: string): string | undefined {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
    return path;
  } catch {
    return undefined;
  }
}

/**
 * What lies here is executed, and the folder above belongs to everyone: only one that is ours, and that
 * nobody else may enter, is used.
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
