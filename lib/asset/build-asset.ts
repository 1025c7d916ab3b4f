import { existsSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  contractTargets,
  errorMessage,
  given,
  type Manifest,
  type ManifestMigration,
  type Migration,
  MigrationError,
  parseBaselineHeader,
  replacedNames,
} from "../core/index.ts";
import {
  compileForLambda,
  DigestCache,
  defaultCacheDir,
  FILES,
  isJunk,
  type MigrationDigest,
  modulesOf,
  normalizeLines,
  readDigests,
  readFolder,
  requireUtf8,
} from "../folder/index.ts";
import { AssetCache, type AssetFiles, hashFiles, sha256 } from "./asset-cache.ts";
import { loadHandlers } from "./handlers.ts";
import type { AssetRequest, BuiltAsset, WorkerRequest } from "./worker-protocol.ts";

/** Builds the asset, or returns the cached one: nothing is compiled if nothing has changed. */
export async function buildAsset(request: WorkerRequest): Promise<BuiltAsset> {
  const folder = await listFolder(request);
  const cacheDir = request.cacheDir ?? defaultCacheDir(folder.dir);
  const contents = await readContents(folder, cacheDir);
  const { functions = "one database" } = request;
  const handlers = await loadHandlers(resolve(request.handlersDir), functions, cacheDir, request.tool);
  const { manifest } = contents;
  const { version } = await import("esbuild");
  const ca = request.ca === undefined ? null : normalizeLines(request.ca, "utf8");
  const plan = request.approvedPlan ?? null;
  const key = sha256(JSON.stringify([request.tool, version, manifest.hash, hashFiles(handlers), ca, plan]));
  const cache = new AssetCache(cacheDir);
  const cached = cache.get(key);
  if (cached !== undefined) return { ...cached, manifest };
  const { files, followsDigests } = await migrationFiles(contents, request.exportsFile);
  const all = new Map([...handlers, ...files]);
  if (ca !== null) all.set("ca.pem", Buffer.from(ca));
  if (plan !== null) all.set("migrations/approved-plan.json", Buffer.from(plan));
  const asset = cache.add(all);
  if (followsDigests) cache.set(key, asset.hash);
  return { ...asset, manifest };
}

interface MigrationFiles {
  readonly files: AssetFiles;
  readonly followsDigests: boolean;
}

async function migrationFiles(contents: FolderContents, exportsModule: string): Promise<MigrationFiles> {
  const { dir, entries, data, manifest } = contents;
  const files = new Map<string, Uint8Array>();
  const add = (path: string, content: Uint8Array | string) =>
    files.set(`migrations/${path}`, Buffer.from(content));
  add("manifest.json", `${JSON.stringify(manifest, undefined, 2)}\n`);
  for (const [path, bytes] of data) add(`${FILES}/${path}`, bytes);
  for (const entry of entries) {
    if (entry.kind === "module") continue;
    for (const file of entry.files) add(`sql/${file}`, readSql(join(dir, file)));
  }
  const modules = modulesOf(
    dir,
    entries.filter(({ kind }) => kind === "module"),
  );
  if (modules.length === 0) return { files, followsDigests: true };
  const { code, followsDigests } = await compileForLambda(dir, modules, exportsModule);
  add("modules.mjs", code);
  return { files, followsDigests };
}

/** Normalized like a digest, so that the asset is the same on every machine. */
function readSql(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    requireUtf8(path, bytes);
    return Buffer.from(normalizeLines(bytes.toString("latin1"), "latin1"), "latin1");
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    const message = `a migration cannot be read: ${errorMessage(cause)}`;
    throw new MigrationError("MIGRATION", message, { problems: [{ file: path, message }], cause });
  }
}

/** A folder with at least one migration. */
export interface Folder {
  /** Absolute path, symbolic links resolved. */
  readonly dir: string;
  readonly entries: readonly Migration[];
}

/** A folder with all that goes into the asset and needs no compiler. */
export interface FolderContents extends Folder {
  readonly manifest: Manifest;
  /** Files for migrations to read, by path; none if no migration uses its own location. */
  readonly data: ReadonlyMap<string, Uint8Array>;
}

/** @throws MigrationError when the folder is missing or empty, or a file in it cannot be a migration. */
export async function listFolder(request: AssetRequest): Promise<Folder> {
  const path = resolve(request.migrationsDir);
  if (!existsSync(path)) {
    const hint = "create it with its first migration, or give another folder as `migrationsDir`";
    throw new MigrationError("USAGE", `migrations folder not found: ${path}`, { hint });
  }
  const { dir, entries } = await readFolder(path, request);
  if (entries.length === 0) {
    const hint =
      "add the first one, named like 1700000000000_create-users.sql, or give another folder as `migrationsDir`";
    throw new MigrationError("USAGE", `no migrations in ${dir}`, { hint });
  }
  return { dir: await realpath(dir), entries };
}

export async function readContents({ dir, entries }: Folder, cacheDir: string): Promise<FolderContents> {
  const digests = await readDigests(dir, entries, new DigestCache(cacheDir, dir));
  const targets = targetsOf(entries, digests);
  const migrations = entries.map(({ name, fileName, kind, files }): ManifestMigration => {
    const migration = digests.get(name);
    if (migration === undefined) throw new TypeError(`no digest of ${name}`);
    const { digest, shorthands, baseline } = migration;
    const replaces = baseline.length > 0 ? { baseline } : {};
    const contract = given({ contractAfter: targets.get(name) });
    return { name, fileName, kind, files, digest, shorthands, ...replaces, ...contract };
  });
  const needsData = [...digests.values()].some(({ refersToItself }) => refersToItself);
  const data = needsData ? readDataFiles(dir, entries) : new Map<string, Uint8Array>();
  return { dir, entries, data, manifest: { format: 1, hash: hashOf(migrations, data), migrations } };
}

/** @throws MigrationError for a wrong header of a baseline, and for a wrong contract */
function targetsOf(
  entries: readonly Migration[],
  digests: ReadonlyMap<string, MigrationDigest>,
): ReadonlyMap<string, string> {
  const all = [...digests];
  const replaced = all.flatMap(([name, { baseline }]) => replacedNames(parseBaselineHeader(name, baseline)));
  const declared = all.flatMap(([name, { contract }]) => (contract ? [[name, contract] as const] : []));
  return contractTargets(entries, new Map(declared), new Set(replaced));
}

/** The hash covers the sources and no compiled code: a new version of the compiler must not change it. */
function hashOf(migrations: readonly ManifestMigration[], data: ReadonlyMap<string, Uint8Array>): string {
  const listed = migrations.map(({ name, fileName, kind, files, digest }) => [
    name,
    fileName,
    kind,
    files,
    digest,
  ]);
  const read = [...data].map(([path, bytes]) => [path, sha256(bytes)]);
  return sha256(JSON.stringify({ format: 1, migrations: listed, data: read }));
}

/** Folders and files that systems and npm create. */
const SYSTEM_FILES = new Set(["thumbs.db", "desktop.ini", "node_modules"]);

/**
 * Everything below the migrations folder that is neither a migration nor junk, by its path in there: what migrations may
 * read at run time. Follows links. Line endings of texts are those of Unix, as in git.
 * @throws MigrationError when one cannot be read.
 */
function readDataFiles(dir: string, entries: readonly Migration[]): ReadonlyMap<string, Uint8Array> {
  const migrations = new Set(entries.flatMap(({ files }) => files));
  const data = new Map<string, Uint8Array>();
  const visit = (folder: string, prefix: string, parents: readonly string[]): void => {
    for (const name of readdirSync(folder).toSorted()) {
      const path = join(folder, name);
      if (isJunk(name) || SYSTEM_FILES.has(name.toLowerCase())) continue;
      if (prefix === "" && migrations.has(name)) continue;
      const stats = statOf(path);
      if (stats.isFile()) data.set(`${prefix}${name}`, readData(path));
      if (!stats.isDirectory()) continue;
      // A link to a folder above would recurse for ever.
      const real = realpathSync(path);
      if (!parents.includes(real)) visit(path, `${prefix}${name}/`, [...parents, real]);
    }
  };
  visit(dir, "", [dir]);
  return data;
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Names of files that must be UTF-8; others may have any encoding. */
const TEXTS = /\.(?:sql|json|[cm]?[jt]sx?)$/i;

function readData(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    if (TEXTS.test(path)) requireUtf8(path, bytes);
    return withUnixLines(bytes);
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    throw unreadable(path, cause);
  }
}

/** As in git, a file is text if it has no zero byte. */
function withUnixLines(bytes: Buffer): Uint8Array {
  if (bytes.includes(0) || !bytes.includes("\r\n")) return bytes;
  return Buffer.from(bytes.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}

function unreadable(path: string, cause: unknown): MigrationError {
  const message = `a file beside the migrations cannot be read: ${errorMessage(cause)}`;
  const hint =
    "make it readable or remove it: migrations that read files beside them are deployed with all of them";
  return new MigrationError("MIGRATION", message, { problems: [{ file: path, message }], hint, cause });
}
