import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { privateCache, safeCache } from "./safe-cache.mjs";

/**
 * Where compiled migrations and digests of a folder are cached, created if missing: `node_modules/.cache/cdk-pg-migrate`
 * of the nearest package above the folder if no other user can write there, else a private temporary folder.
 */
export function defaultCacheDir(dir: string): string {
  const modules = nearest(dir, "node_modules");
  const besideProject = modules === undefined ? undefined : safeCache(modules, dir);
  return besideProject ?? privateCache();
}

/** The path of the first entry called `name` in the folder or one above it. */
export function nearest(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  if (existsSync(path)) return path;
  const parent = dirname(dir);
  return parent === dir ? undefined : nearest(parent, name);
}

/** Writes a file so that concurrent readers see either all of it or the previous version. */
export function writeAtomically(path: string, text: string): void {
  // Explicit modes, whatever the umask: cached files are executed or deployed.
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Removes the entries of a folder that were not modified for so long. */
export function sweep(dir: string, olderThanMs: number): void {
  const limit = Date.now() - olderThanMs;
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    try {
      if (statSync(path).mtimeMs < limit) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process removed it first.
    }
  }
}
