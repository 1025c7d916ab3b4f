import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { errorMessage, MigrationError } from "../core/index.ts";
import { sweep, writeAtomically } from "../folder/index.ts";

/** Files by their paths in the asset, with `/` between folders. */
export type AssetFiles = ReadonlyMap<string, Uint8Array>;

/** SHA-256 (hex) over names and contents; neither order nor modes nor times count. */
export function hashFiles(files: AssetFiles): string {
  const lines = [...files].map(([path, bytes]) => `${path}\0${sha256(bytes)}\n`);
  return sha256(lines.toSorted().join(""));
}

export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Far longer than it takes to copy an asset out of the cache. */
const UNUSED_AFTER_MS = 24 * 60 * 60 * 1000;

export interface CachedAsset {
  readonly dir: string;
  readonly hash: string;
}

/** Finished assets in folders named by their hash, and the keys under which `get` returns them. */
export class AssetCache {
  readonly #root: string;

  constructor(cacheDir: string) {
    this.#root = join(cacheDir, "assets");
  }

  /** Undefined on a cache miss, and when the asset was removed or modified. */
  get(key: string): CachedAsset | undefined {
    const keyFile = this.#keyFile(key);
    const hash = readKey(keyFile);
    if (hash === undefined) return undefined;
    const dir = join(this.#root, hash);
    if (!touch(keyFile) || !touch(dir)) return undefined;
    return isIntact(dir, hash) ? { dir, hash } : undefined;
  }

  /** Writes an asset. Several processes may write the same one at once. */
  add(files: AssetFiles): CachedAsset {
    const hash = hashFiles(files);
    const dir = join(this.#root, hash);
    try {
      if (!touch(dir) || !isIntact(dir, hash)) moveIntoPlace(writeDraft(this.#root, files), dir, hash);
      sweep(this.#root, UNUSED_AFTER_MS);
    } catch (cause) {
      const hint = "make room there, or give another folder for the cache";
      throw new MigrationError("FILE_SYSTEM", `cannot write the asset: ${errorMessage(cause)}`, {
        hint,
        cause,
      });
    }
    return { dir, hash };
  }

  set(key: string, hash: string): void {
    try {
      writeAtomically(this.#keyFile(key), hash);
    } catch {
      // The next build is only slower.
    }
  }

  #keyFile(key: string): string {
    return join(this.#root, `${key}.key`);
  }
}

function readKey(path: string): string | undefined {
  try {
    const hash = readFileSync(path, "utf8");
    return /^[0-9a-f]{64}$/.test(hash) ? hash : undefined;
  } catch {
    return undefined;
  }
}

/** False if the folder was modified, or left incomplete by a crash. */
function isIntact(dir: string, hash: string): boolean {
  try {
    return hashFiles(readFiles(dir)) === hash;
  } catch {
    return false;
  }
}

/** All files below a folder by their paths. */
function readFiles(dir: string): AssetFiles {
  const files = new Map<string, Uint8Array>();
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(dir, path).replaceAll(sep, "/"), readFileSync(path));
  }
  return files;
}

function writeDraft(root: string, files: AssetFiles): string {
  const draft = join(root, `${randomUUID()}.tmp`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const [path, bytes] of files) {
    const target = join(draft, path);
    makeFolder(draft, dirname(target));
    writeFileSync(target, bytes);
    // Another user executes it, so everybody may read it, whatever the umask.
    chmodSync(target, 0o644);
  }
  return draft;
}

function makeFolder(draft: string, folder: string): void {
  if (existsSync(folder)) return;
  if (folder !== draft) makeFolder(draft, dirname(folder));
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
}

/** An existing folder is either the same asset, written by another process, or damaged. */
function moveIntoPlace(draft: string, dir: string, hash: string): void {
  try {
    renameSync(draft, dir);
    return;
  } catch (error) {
    if (!existsSync(dir)) {
      rmSync(draft, { recursive: true, force: true });
      throw error;
    }
  }
  if (isIntact(dir, hash)) {
    rmSync(draft, { recursive: true, force: true });
    return;
  }
  const damaged = `${draft}.old`;
  renameSync(dir, damaged);
  renameSync(draft, dir);
  rmSync(damaged, { recursive: true, force: true });
}

/** Protects a file or folder from other processes' sweeps; false if there is none. */
function touch(path: string): boolean {
  try {
    const now = new Date();
    utimesSync(path, now, now);
    return true;
  } catch {
    return false;
  }
}
