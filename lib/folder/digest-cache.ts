import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ContractDeclaration } from "../core/index.ts";
import { sweep, writeAtomically } from "./cache-dir.ts";
import type { FileStats } from "./file-info.ts";

/** What is known of a migration without loading it. */
export interface MigrationDigest {
  readonly digest: string;
  /** Whether it may export `shorthands`. */
  readonly shorthands: boolean;
  /** Whether it, or a local file it imports, may use its own path, and so read files beside it. */
  readonly refersToItself: boolean;
  /** The header of a baseline that `squash` wrote; empty for any other migration. */
  readonly baseline: readonly string[];
  /** What it says about its contract; null for any other migration. */
  readonly contract: ContractDeclaration | null;
}

/** Valid while the files it depends on have these versions, by absolute path or name in the folder. */
export interface CachedDigest extends MigrationDigest {
  readonly files: Readonly<Record<string, string>>;
}

/** Raised when the same files would have another digest, or when the format changes. */
const VERSION = 9;
const UNUSED_AFTER_MS = 90 * 24 * 60 * 60 * 1000;

/** Digests of one folder's migrations, kept in one file. An unreadable file counts as empty; `save` replaces it. */
export class DigestCache {
  readonly #path: string;
  readonly #entries: Map<string, CachedDigest>;
  #changed = false;

  constructor(cacheDir: string, dir: string) {
    const id = createHash("sha256").update(dir).digest("hex").slice(0, 16);
    this.#path = join(cacheDir, "digests", `${id}.json`);
    this.#entries = new Map(Object.entries(readEntries(this.#path)));
  }

  /** Undefined on a cache miss: unknown, or one of its files has changed. */
  get(key: string, stats: FileStats): MigrationDigest | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && isUnchanged(entry.files, stats) ? entry : undefined;
  }

  set(key: string, entry: CachedDigest): void {
    this.#entries.set(key, entry);
    this.#changed = true;
  }

  /** The last of several concurrent writers wins; the others' entries are computed again. Never fails: it is a cache. */
  save(): void {
    if (!this.#changed) return;
    try {
      const entries = Object.fromEntries(this.#entries);
      writeAtomically(this.#path, JSON.stringify({ version: VERSION, entries }));
      sweep(dirname(this.#path), UNUSED_AFTER_MS);
    } catch {
      // A read-only or full disk.
    }
  }
}

function isUnchanged(files: CachedDigest["files"], stats: FileStats): boolean {
  for (const path in files) if (stats.versionOf(path) !== files[path]) return false;
  return true;
}

function readEntries(path: string): Readonly<Record<string, CachedDigest>> {
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isRecord(content) || content["version"] !== VERSION) return {};
    return isRecord(content["entries"], isCachedDigest) ? content["entries"] : {};
  } catch {
    return {};
  }
}

function isCachedDigest(value: unknown): value is CachedDigest {
  if (!isRecord(value)) return false;
  const { digest, shorthands, refersToItself, baseline, contract, files } = value;
  return (
    typeof digest === "string" &&
    digest.length === 64 &&
    typeof shorthands === "boolean" &&
    typeof refersToItself === "boolean" &&
    Array.isArray(baseline) &&
    baseline.every(isString) &&
    (contract === null || isRecord(contract, isString)) &&
    isRecord(files, isString) &&
    Object.keys(files).length > 0
  );
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isRecord<T = unknown>(
  value: unknown,
  isItem: (item: unknown) => item is T = (item): item is T => true,
): value is Record<string, T> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((item) => isItem(item))
  );
}
