import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { errorMessage, MigrationError } from "../core/index.ts";
import {
  compileForLambda,
  defaultCacheDir,
  FILES,
  modulesOf,
  normalizeLines,
  requireUtf8,
} from "../folder/index.ts";
import { AssetCache, type AssetFiles, hashFiles, sha256 } from "./asset-cache.ts";
import { loadHandlers } from "./handlers.ts";
import { type FolderContents, listFolder, readContents } from "./manifest.ts";
import type { BuiltAsset, WorkerRequest } from "./worker-protocol.ts";

/** Builds the asset, or returns the cached one: nothing is compiled if nothing has changed. */
export async function buildAsset(request: WorkerRequest): Promise<BuiltAsset> {
  const folder = await listFolder(request);
  const cacheDir = request.cacheDir ?? defaultCacheDir(folder.dir);
  const contents = await readContents(folder, cacheDir);
  const handlers = await loadHandlers(resolve(request.handlersDir), cacheDir, request.tool);
  const { manifest } = contents;
  const { version } = await import("esbuild");
  const ca = request.ca === undefined ? null : normalizeLines(request.ca, "utf8");
  const key = sha256(JSON.stringify([request.tool, version, manifest.hash, hashFiles(handlers), ca]));
  const cache = new AssetCache(cacheDir);
  const cached = cache.get(key);
  if (cached !== undefined) return { ...cached, manifest };
  const { files, followsDigests } = await migrationFiles(contents, request.exportsFile);
  const all = new Map([...handlers, ...files]);
  if (ca !== null) all.set("ca.pem", Buffer.from(ca));
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
