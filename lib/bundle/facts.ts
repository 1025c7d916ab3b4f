import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { nearest } from "./cache-dir.ts";
import { type DigestInput, digestOf } from "./digest.ts";
import { FolderError } from "./errors.ts";
import { type Facts, type KnownFacts, readFactsCache, writeFactsCache } from "./facts-cache.ts";
import type { FolderEntry } from "./listing.ts";
import { mayExportShorthands, mayImportLocalFiles, refersToItself } from "./source-text.ts";
import { type Stamps, takeStamps } from "./stamps.ts";
import { errorCode, errorMessage } from "./unknown.ts";

/**
 * Digest and exports of migrations, from the cache where no file has changed since. With nothing changed
 * this is one look at each file: none is read and esbuild is not loaded.
 */
export async function gatherFacts(
  dir: string,
  entries: readonly FolderEntry[],
  cacheFile: string,
): Promise<ReadonlyMap<string, Facts>> {
  const known = readFactsCache(cacheFile);
  const stamps = takeStamps(dir);
  const facts = new Map<string, Facts>();
  const unknown: FolderEntry[] = [];
  for (const entry of entries) {
    const cached = known.get(cacheKey(entry));
    if (cached !== undefined && holds(cached, stamps)) facts.set(entry.name, cached);
    else unknown.push(entry);
  }
  if (unknown.length === 0) return facts;
  let learned = 0;
  for (const [entry, fresh] of await inspect(dir, unknown, stamps)) {
    facts.set(entry.name, fresh);
    if (!worthKeeping(fresh, stamps)) continue;
    known.set(cacheKey(entry), fresh);
    learned += 1;
  }
  if (learned > 0) writeFactsCache(cacheFile, known);
  return facts;
}

/** A pair that gains its down file is another key. No file name holds a slash. */
function cacheKey(entry: FolderEntry): string {
  return entry.files.join("/");
}

function holds(known: KnownFacts, stamps: Stamps): boolean {
  return known.stamps.every(([path, stamp]) => stamps.of(path) === stamp);
}

function worthKeeping(fresh: KnownFacts, stamps: Stamps): boolean {
  return fresh.stamps.every(([path]) => stamps.settled(path));
}

type ReadText = (path: string) => string | undefined;

async function inspect(
  dir: string,
  entries: readonly FolderEntry[],
  stamps: Stamps,
): Promise<ReadonlyMap<FolderEntry, KnownFacts>> {
  const read = textReader(dir, stamps);
  const asking = entries.filter(
    ({ kind, files }) => kind === "module" && files.some((file) => mayImportLocalFiles(read(file) ?? "")),
  );
  const imports = await localImports(dir, asking);
  // What a name leads to is decided by these as much as by the importing text.
  const config = ["package.json", "tsconfig.json"].flatMap((name) => nearest(dir, name) ?? []);
  return new Map(
    entries.map((entry) => {
      const locals = imports.get(entry.name);
      const witnesses = locals === undefined ? [] : [...config, ...foldersOf(dir, locals)];
      return [entry, factsOf(dir, entry, [...(locals ?? [])], witnesses, { read, stamps })];
    }),
  );
}

function factsOf(
  dir: string,
  entry: FolderEntry,
  locals: readonly string[],
  witnesses: readonly string[],
  from: { readonly read: ReadText; readonly stamps: Stamps },
): KnownFacts {
  const own = entry.files.map((file): DigestInput => ({ path: join(dir, file), text: from.read(file) }));
  const imported = locals.map((path): DigestInput => ({ path, text: from.read(path) }));
  const paths = [...entry.files, ...locals, ...witnesses];
  return {
    digest: digestOf(dir, [...own, ...imported]),
    shorthands: entry.kind === "module" && own.some(({ text }) => mayExportShorthands(text ?? "")),
    refersToItself:
      entry.kind === "module" && [...own, ...imported].some(({ text }) => refersToItself(text ?? "")),
    // A missing file has no stamp; the empty one is never equal to what is there later.
    stamps: paths.map((path) => [path, from.stamps.of(path) ?? ""]),
  };
}

/** Bytes as latin1; undefined where there is no such file. The stamp is taken first, so a later change shows. */
function textReader(dir: string, stamps: Stamps): ReadText {
  const texts = new Map<string, string | undefined>();
  return (path) => {
    if (texts.has(path)) return texts.get(path);
    const text = stamps.of(path) === undefined ? undefined : readText(resolve(dir, path));
    texts.set(path, text);
    return text;
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (cause) {
    // An import without its extension may name a folder; whether it leads anywhere shows when it is compiled.
    if (errorCode(cause) === "EISDIR") return undefined;
    const message = `a file cannot be read: ${errorMessage(cause)}`;
    throw new FolderError("MIGRATION", message, { problems: [{ file: path, message }], cause });
  }
}

/** A file added to a folder that is imported from may be what an import means from then on. */
function foldersOf(dir: string, locals: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...locals].map((path) => dirname(path)).filter((folder) => folder !== dir));
}

/** Local files that each migration imports, directly or not, by name; esbuild is loaded only if asked. */
async function localImports(
  dir: string,
  entries: readonly FolderEntry[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  if (entries.length === 0) return new Map();
  const { findLocalImports } = await import("./compile/imports.ts");
  return findLocalImports(dir, entries);
}
