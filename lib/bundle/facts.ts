import { dirname } from "node:path";
import type { Migration } from "../core/index.ts";
import { nearest } from "./cache-dir.ts";
import { dataFilesOf } from "./data-mentions.ts";
import { digestOf } from "./digest.ts";
import type { FactsCache } from "./facts-cache.ts";
import type { Facts, FileStamp, KnownFacts } from "./facts-table.ts";
import { type FileFacts, type FileReader, fileReader } from "./file-facts.ts";
import { placeOf, type Stamps, takeStamps } from "./stamps.ts";

/**
 * Digest and exports of migrations, from the cache where no file has changed since. With nothing changed
 * this is one look at each file: none is read and esbuild is not loaded.
 */
export async function gatherFacts(
  dir: string,
  entries: readonly Migration[],
  cache: FactsCache,
): Promise<ReadonlyMap<string, Facts>> {
  const stamps = takeStamps(dir);
  const facts = new Map<string, Facts>();
  const unknown: Migration[] = [];
  for (const entry of entries) {
    const known = cache.find(cacheKey(entry), stamps);
    if (known === undefined) unknown.push(entry);
    else facts.set(entry.name, known);
  }
  if (unknown.length === 0) return facts;
  let learned = 0;
  for (const [entry, fresh] of await inspect(dir, unknown, stamps)) {
    facts.set(entry.name, fresh);
    if (!worthKeeping(fresh, stamps)) continue;
    cache.set(cacheKey(entry), fresh);
    learned += 1;
  }
  if (learned > 0) cache.save();
  return facts;
}

/** A pair that gains its down file is another key. No file name holds a slash. */
function cacheKey({ files }: Migration): string {
  const [only] = files;
  return files.length === 1 && only !== undefined ? only : files.join("/");
}

function worthKeeping(fresh: KnownFacts, stamps: Stamps): boolean {
  return fresh.stamps.every(({ path }) => stamps.settled(path));
}

async function inspect(
  dir: string,
  entries: readonly Migration[],
  stamps: Stamps,
): Promise<ReadonlyMap<Migration, KnownFacts>> {
  const files = fileReader(dir, stamps);
  const own = new Map(entries.map((entry) => [entry, ownFacts(entry, files)]));
  const imports = await localImports(
    dir,
    entries.filter((entry) => own.get(entry)?.some(({ mayImport }) => mayImport)),
  );
  // What a name leads to is decided by these as much as by the importing text.
  const config = ["package.json", "tsconfig.json"].flatMap((name) => nearest(dir, name) ?? []);
  const known = new Map<Migration, KnownFacts>();
  for (const [entry, facts] of own) {
    const locals = imports.get(entry.name);
    const imported = [...(locals ?? [])].map(files.imported);
    const witnesses = locals === undefined ? [] : [...config, ...foldersOf(dir, locals)];
    const { data, folders } = readByThem(dir, [...facts, ...imported], files);
    known.set(entry, together(dir, [facts, [...imported, ...data]], [...witnesses, ...folders], stamps));
  }
  return known;
}

/** Data files that a migration, or what it imports, may read; those that are part of its code already are left out. */
function readByThem(
  dir: string,
  code: readonly FileFacts[],
  from: FileReader,
): { readonly data: readonly FileFacts[]; readonly folders: readonly string[] } {
  const known = new Set(code.map(({ path }) => placeOf(dir, path)));
  const found = code
    .filter(({ mentions }) => mentions.length > 0)
    .map(({ path, mentions }) => dataFilesOf(dir, path, mentions));
  const paths = new Set(found.flatMap(({ files }) => files).filter((path) => !known.has(path)));
  return { data: [...paths].map(from.data), folders: [...new Set(found.flatMap(({ folders }) => folders))] };
}

function ownFacts({ kind, files }: Migration, from: FileReader): readonly FileFacts[] {
  return files.map(kind === "module" ? from.module : from.sql);
}

function together(
  dir: string,
  [own, imported]: readonly [readonly FileFacts[], readonly FileFacts[]],
  witnesses: readonly string[],
  stamps: Stamps,
): KnownFacts {
  const all = [...own, ...imported];
  return {
    digest: digestOf(dir, all),
    shorthands: own.some(({ shorthands }) => shorthands),
    refersToItself: all.some(({ refersToItself }) => refersToItself),
    stamps: [...all.map(({ path }) => path), ...witnesses].map((path) => fileStamp(path, stamps)),
  };
}

/** A missing file has no stamp: what is said of it here is never worth keeping. */
function fileStamp(path: string, stamps: Stamps): FileStamp {
  return { path, ...(stamps.of(path) ?? { mtimeMs: 0, ctimeMs: 0, size: 0 }) };
}

/** A file added to a folder that is imported from may be what an import means from then on. */
function foldersOf(dir: string, locals: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...locals].map((path) => dirname(path)).filter((folder) => folder !== dir));
}

/** Local files that each migration imports, directly or not, by name; esbuild is loaded only if asked. */
async function localImports(
  dir: string,
  entries: readonly Migration[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  if (entries.length === 0) return new Map();
  const { findLocalImports } = await import("./compile/imports.ts");
  return findLocalImports(dir, entries);
}
