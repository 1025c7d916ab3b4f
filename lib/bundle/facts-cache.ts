import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { sweep, writeAtomically } from "./cache-files.ts";

/** What is known of a migration without loading it. */
export interface Facts {
  readonly digest: string;
  readonly shorthands: boolean;
  /** Whether it, or a local file it imports, may ask where it is, and so read files beside it. */
  readonly refersToItself: boolean;
}

/** Facts, and the stamps of all the files they were read from: they hold as long as no stamp differs. */
export interface KnownFacts extends Facts {
  readonly stamps: readonly (readonly [path: string, stamp: string])[];
}

/** Raised when the same files would give other facts. */
const VERSION = 2;
const UNUSED_AFTER_MS = 90 * 24 * 60 * 60 * 1000;

/** Whatever is wrong with the file, it is as if there were none: the next write mends it. */
export function readFactsCache(path: string): Map<string, KnownFacts> {
  const known = new Map<string, KnownFacts>();
  const content = parse(path);
  if (!isRecord(content)) return known;
  const { version, facts: entries } = content;
  if (version !== VERSION || !isRecord(entries)) return known;
  for (const [key, value] of Object.entries(entries)) {
    const facts = toKnownFacts(value);
    if (facts !== undefined) known.set(key, facts);
  }
  return known;
}

/**
 * The last of several concurrent writers wins; what the others had found is found again. A cache that
 * cannot be written is only slow.
 */
export function writeFactsCache(path: string, known: ReadonlyMap<string, KnownFacts>): void {
  const facts = Object.fromEntries(known);
  try {
    writeAtomically(path, JSON.stringify({ version: VERSION, facts }));
    // Folders come and go; their files would stay for ever.
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch {
    // A read-only or full disk.
  }
}

function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function toKnownFacts(value: unknown): KnownFacts | undefined {
  if (!isRecord(value)) return undefined;
  const { digest, shorthands, refersToItself, stamps } = value;
  if (typeof digest !== "string" || digest.length !== 64) return undefined;
  if (typeof shorthands !== "boolean" || typeof refersToItself !== "boolean") return undefined;
  return isPairs(stamps) ? { digest, shorthands, refersToItself, stamps } : undefined;
}

function isPairs(value: unknown): value is readonly (readonly [string, string])[] {
  return Array.isArray(value) && value.every(isPair);
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
