import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { sweep, writeAtomically } from "./cache-dir.ts";
import { type Facts, type FactsColumns, FactsTable, type KnownFacts } from "./facts-table.ts";
import type { Stamps } from "./stamps.ts";

/** What is known of one folder's migrations: read from its file once, when it is first asked. */
export interface FactsCache {
  /** Undefined where nothing is known, or a file has changed since. */
  find(key: string, now: Stamps): Facts | undefined;
  set(key: string, facts: KnownFacts): void;
  /**
   * The last of several concurrent writers wins; what the others had found is found again. A cache that
   * cannot be written is only slow.
   */
  save(): void;
}

/** Raised when the same files would give other facts, or facts are written another way. */
const VERSION = 5;
const UNUSED_AFTER_MS = 90 * 24 * 60 * 60 * 1000;

/** Whatever is wrong with the file, it is as if there were none: the next `save` mends it. */
export function openFactsCache(path: string): FactsCache {
  let read: FactsTable | undefined;
  const table = () => {
    read ??= new FactsTable(readColumns(path));
    return read;
  };
  return {
    find: (key, now) => table().find(key, now),
    set: (key, facts) => table().add(key, facts),
    save: () => write(path, table().columns()),
  };
}

function readColumns(path: string): FactsColumns | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isRecord(content)) return undefined;
    const { version, facts } = content;
    return version === VERSION && areColumns(facts) ? facts : undefined;
  } catch {
    return undefined;
  }
}

function write(path: string, facts: FactsColumns): void {
  try {
    writeAtomically(path, JSON.stringify({ version: VERSION, facts }));
    // Folders come and go; their files would stay for ever.
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch {
    // A read-only or full disk.
  }
}

function areColumns(value: unknown): value is FactsColumns {
  if (!isRecord(value)) return false;
  const { keys, digests, shorthands, refersToItself, ends, paths, mtimes, ctimes, sizes } = value;
  if (!isColumn(keys, isString) || !isColumn(paths, isString)) return false;
  return (
    isColumn(digests, isDigest, keys.length) &&
    isColumn(shorthands, isBoolean, keys.length) &&
    isColumn(refersToItself, isBoolean, keys.length) &&
    isColumn(ends, isNumber, keys.length) &&
    dividesAll(ends, paths.length) &&
    [mtimes, ctimes, sizes].every((numbers) => isColumn(numbers, isNumber, paths.length))
  );
}

function isColumn<T>(value: unknown, isItem: (item: unknown) => item is T, length?: number): value is T[] {
  return (
    Array.isArray(value) &&
    (length === undefined || value.length === length) &&
    value.every((item) => isItem(item))
  );
}

/** Whether each migration has at least one stamp, and each stamp is of one of them. */
function dividesAll(ends: readonly number[], stamps: number): boolean {
  return (ends.at(-1) ?? 0) === stamps && ends.every((end, row) => end > (ends[row - 1] ?? 0));
}

const isString = (value: unknown) => typeof value === "string";
const isBoolean = (value: unknown) => typeof value === "boolean";
const isNumber = (value: unknown) => typeof value === "number";
const isDigest = (value: unknown): value is string => typeof value === "string" && value.length === 64;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
