import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { sweep, writeAtomically } from "./cache-files.ts";
import type { Stamp } from "./stamps.ts";

/** What is known of a migration without loading it. */
export interface Facts {
  readonly digest: string;
  readonly shorthands: boolean;
  /** Whether it, or a local file it imports, may ask where it is, and so read files beside it. */
  readonly refersToItself: boolean;
}

/** What a file looked like when it was read. */
export interface FileStamp extends Stamp {
  /** Absolute, or the file's name in the folder. */
  readonly path: string;
}

/** Facts, and the stamps of all the files they were read from: they hold as long as no stamp differs. */
export interface KnownFacts extends Facts {
  readonly stamps: readonly FileStamp[];
}

/** What is known of one folder's migrations: read from its file once, when it is first asked. */
export interface FactsCache {
  get(key: string): KnownFacts | undefined;
  set(key: string, facts: KnownFacts): void;
  /**
   * The last of several concurrent writers wins; what the others had found is found again. A cache that
   * cannot be written is only slow.
   */
  save(): void;
}

/** Raised when the same files would give other facts. */
const VERSION = 3;
const UNUSED_AFTER_MS = 90 * 24 * 60 * 60 * 1000;

/** Whatever is wrong with the file, it is as if there were none: the next `save` mends it. */
export function openFactsCache(path: string): FactsCache {
  let read: Record<string, unknown> | undefined;
  const learned = new Map<string, KnownFacts>();
  // Looked at one by one: to list what is in the file takes as long as to parse it.
  const records = () => {
    read ??= readRecords(path);
    return read;
  };
  const recorded = (key: string) => {
    const record = Object.hasOwn(records(), key) ? records()[key] : undefined;
    return isKnownFacts(record) ? record : undefined;
  };
  return {
    get: (key) => learned.get(key) ?? recorded(key),
    set: (key, facts) => void learned.set(key, facts),
    save: () => write(path, new Map([...Object.entries(records()).filter(isSound), ...learned])),
  };
}

function readRecords(path: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isRecord(content)) return {};
    const { version, facts } = content;
    return version === VERSION && isRecord(facts) ? facts : {};
  } catch {
    return {};
  }
}

function write(path: string, facts: ReadonlyMap<string, unknown>): void {
  try {
    writeAtomically(path, JSON.stringify({ version: VERSION, facts: Object.fromEntries(facts) }));
    // Folders come and go; their files would stay for ever.
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch {
    // A read-only or full disk.
  }
}

function isSound([, record]: readonly [string, unknown]): boolean {
  return isKnownFacts(record);
}

function isKnownFacts(value: unknown): value is KnownFacts {
  if (!isRecord(value)) return false;
  const { digest, shorthands, refersToItself, stamps } = value;
  if (typeof digest !== "string" || digest.length !== 64) return false;
  if (typeof shorthands !== "boolean" || typeof refersToItself !== "boolean") return false;
  return Array.isArray(stamps) && stamps.every(isFileStamp);
}

function isFileStamp(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { path, mtimeMs, ctimeMs, size } = value;
  return (
    typeof path === "string" &&
    typeof mtimeMs === "number" &&
    typeof ctimeMs === "number" &&
    typeof size === "number"
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
