import { hash } from "node:crypto";
import { dirname, relative, sep } from "node:path";
import type { Migration } from "../core/index.ts";
import { nearest } from "./cache-dir.ts";
import { declarationOf } from "./contract-text.ts";
import type { CachedDigest, DigestCache, MigrationDigest } from "./digest-cache.ts";
import {
  absolutePath,
  type FileInfo,
  type FileReader,
  FileStats,
  fileReader,
  mentionedFiles,
} from "./file-info.ts";

/**
 * Digests of migrations by name. A cache hit costs one stat of each of its files: a no-op run reads no file and does not
 * load esbuild.
 */
export async function readDigests(
  dir: string,
  migrations: readonly Migration[],
  cache: DigestCache,
): Promise<ReadonlyMap<string, MigrationDigest>> {
  const stats = new FileStats(dir);
  const digests = new Map<string, MigrationDigest>();
  const missing: Migration[] = [];
  for (const migration of migrations) {
    const cached = cache.get(cacheKey(migration), stats);
    if (cached === undefined) missing.push(migration);
    else digests.set(migration.name, cached);
  }
  if (missing.length === 0) return digests;
  for (const [migration, digest] of await computeDigests(dir, missing, stats)) {
    digests.set(migration.name, digest);
    if (Object.keys(digest.files).every((path) => stats.isSettled(path)))
      cache.set(cacheKey(migration), digest);
  }
  cache.save();
  return digests;
}

/** A pair that gains its down file gets another key. */
function cacheKey({ files }: Migration): string {
  return files.join("/");
}

async function computeDigests(
  dir: string,
  migrations: readonly Migration[],
  stats: FileStats,
): Promise<ReadonlyMap<Migration, CachedDigest>> {
  const reader = fileReader(dir, stats);
  const ownFiles = new Map(
    migrations.map((migration) => [
      migration,
      migration.files.map(migration.kind === "module" ? reader.module : reader.sql),
    ]),
  );
  const imports = await localImports(
    dir,
    migrations.filter((migration) => ownFiles.get(migration)?.some(({ mayImport }) => mayImport)),
  );
  // They decide, as much as the importing text, what an import resolves to.
  const configs = ["package.json", "tsconfig.json"].flatMap((name) => nearest(dir, name) ?? []);
  const digests = new Map<Migration, CachedDigest>();
  for (const [migration, own] of ownFiles) {
    const paths = imports.get(migration.name);
    const imported = [...(paths ?? [])].map(reader.imported);
    const { data, folders } = readMentioned(dir, [...own, ...imported], reader);
    const files = [...own, ...imported, ...data];
    const resolvers = paths === undefined ? [] : [...configs, ...foldersOf(dir, paths)];
    digests.set(migration, {
      digest: digestOf(dir, files),
      shorthands: own.some(({ shorthands }) => shorthands),
      refersToItself: files.some((file) => file.refersToItself),
      baseline: own.flatMap((file) => file.baseline),
      contract: declarationOf(own.map(({ contract }) => contract)),
      files: versionsOf([...files.map(({ path }) => path), ...resolvers, ...folders], stats),
    });
  }
  return digests;
}

/** Data files that the code may read, without those that are part of the code. */
function readMentioned(dir: string, code: readonly FileInfo[], reader: FileReader) {
  const codePaths = new Set(code.map(({ path }) => absolutePath(dir, path)));
  const mentioned = code
    .filter(({ mentions }) => mentions.length > 0)
    .map((file) => mentionedFiles(dir, file));
  const paths = new Set(mentioned.flatMap(({ files }) => files).filter((path) => !codePaths.has(path)));
  return { data: [...paths].map(reader.plain), folders: mentioned.flatMap(({ folders }) => folders) };
}

/** A missing file is never settled, so a digest that depends on one is not cached. */
function versionsOf(paths: readonly string[], stats: FileStats): CachedDigest["files"] {
  return Object.fromEntries(paths.map((path) => [path, stats.versionOf(path) ?? "missing"]));
}

/** A file that is added to a folder that is imported from may change what the import resolves to. */
function foldersOf(dir: string, paths: ReadonlySet<string>): readonly string[] {
  return [...paths].map((path) => dirname(path)).filter((folder) => folder !== dir);
}

/** Local files that each migration imports, directly or not, by name; esbuild is loaded only if one may import any. */
async function localImports(
  dir: string,
  migrations: readonly Migration[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  if (migrations.length === 0) return new Map();
  const { findLocalImports } = await import("./compile.ts");
  return findLocalImports(dir, migrations);
}

/**
 * SHA-256 (hex) over files, each with its path relative to the migrations folder. Independent of the machine: neither
 * the location of the folder nor separators nor line endings count.
 */
function digestOf(dir: string, files: readonly FileInfo[]): string {
  const lines = files.map(({ path, digest }) => `${portablePath(dir, path)}\0${digest ?? "missing"}\n`);
  return hash("sha256", lines.toSorted().join(""));
}

function portablePath(dir: string, path: string): string {
  // Some file systems decompose accents.
  const portable = (path.includes(sep) ? relative(dir, path) : path).normalize("NFC");
  return sep === "/" ? portable : portable.replaceAll(sep, "/");
}
