import { randomUUID } from "node:crypto";
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
import { errorMessage, MigrationError } from "../../core/index.ts";
import { sweep, writeAtomically } from "../cache-dir.ts";
import { type AssetFiles, hashFiles } from "./asset-files.ts";

/** Far longer than it takes to copy an asset out of here. */
const UNUSED_AFTER_MS = 24 * 60 * 60 * 1000;

export interface ShelvedAsset {
  readonly dir: string;
  readonly hash: string;
}

/** Finished assets: folders named by their hash, and which of them a key stands for. */
export interface Shelf {
  /** The asset that was last made for the key; undefined when it is gone or no longer what it was. */
  find(key: string): ShelvedAsset | undefined;
  /** Puts files there as one asset. Several processes may put the same at once. */
  place(files: AssetFiles): ShelvedAsset;
  /** Lets `find` know an asset. */
  remember(key: string, hash: string): void;
}

export function openShelf(cacheDir: string): Shelf {
  const root = join(cacheDir, "assets");
  const folderOf = (hash: string) => join(root, hash);
  const keyFile = (key: string) => join(root, `${key}.key`);
  return {
    find: (key) => {
      const hash = readKey(keyFile(key));
      if (hash === undefined || !touched(keyFile(key)) || !touched(folderOf(hash))) return undefined;
      return isSound(folderOf(hash), hash) ? { dir: folderOf(hash), hash } : undefined;
    },
    place: (files) => {
      const hash = hashFiles(files);
      try {
        if (!touched(folderOf(hash)) || !isSound(folderOf(hash), hash))
          moveIntoPlace(writeDraft(root, files), folderOf(hash), hash);
        sweep(root, UNUSED_AFTER_MS);
      } catch (cause) {
        const hint = "make room there, or give another folder for the cache";
        throw new MigrationError("FILE_SYSTEM", `cannot write the asset: ${errorMessage(cause)}`, {
          hint,
          cause,
        });
      }
      return { dir: folderOf(hash), hash };
    },
    remember: (key, hash) => {
      try {
        writeAtomically(keyFile(key), hash);
      } catch {
        // The next build is only slower.
      }
    },
  };
}

function readKey(path: string): string | undefined {
  try {
    const hash = readFileSync(path, "utf8");
    return /^[0-9a-f]{64}$/.test(hash) ? hash : undefined;
  } catch {
    return undefined;
  }
}

/** A folder that somebody has changed, or that a crash left incomplete, is not what its name says. */
function isSound(dir: string, hash: string): boolean {
  try {
    return hashFiles(readFiles(dir)) === hash;
  } catch {
    return false;
  }
}

/** All files below a folder by their paths. */
export function readFiles(dir: string): AssetFiles {
  const files = new Map<string, Uint8Array>();
  for (const found of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!found.isFile()) continue;
    const path = join(found.parentPath, found.name);
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
    // Another user runs it; whatever this one's umask says, all may read it.
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

/** What stands in the way is either the same from another process, or damaged. */
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
  if (isSound(dir, hash)) {
    rmSync(draft, { recursive: true, force: true });
    return;
  }
  const damaged = `${draft}.old`;
  renameSync(dir, damaged);
  renameSync(draft, dir);
  rmSync(damaged, { recursive: true, force: true });
}

/** Saves a file or folder from others' sweeping; false where there is none. */
function touched(path: string): boolean {
  try {
    const now = new Date();
    utimesSync(path, now, now);
    return true;
  } catch {
    return false;
  }
}
