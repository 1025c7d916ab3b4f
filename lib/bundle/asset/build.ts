import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { errorMessage, MigrationError } from "../../core/index.ts";
import { defaultCacheDir } from "../cache-dir.ts";
import { compileDeployable } from "../compile/deployable.ts";
import { modulesOf } from "../compile/imports.ts";
import { FILES } from "../compile/on-its-own.ts";
import { normalizeLines } from "../source-text.ts";
import { requireUtf8 } from "../utf8.ts";
import { type AssetFiles, hashFiles, sha256 } from "./asset-files.ts";
import { loadHandlers } from "./handlers.ts";
import { type Inventory, openFolder, takeInventory } from "./inventory.ts";
import type { BuiltAsset, WorkerRequest } from "./request.ts";
import { openShelf } from "./shelf.ts";

/** Makes the asset, or finds it as it was made before: nothing is compiled as long as nothing has changed. */
export async function buildAsset(request: WorkerRequest): Promise<BuiltAsset> {
  const folder = await openFolder(request);
  const cacheDir = request.cacheDir ?? defaultCacheDir(folder.dir);
  const inventory = await takeInventory(folder, cacheDir);
  const handlers = await loadHandlers(resolve(request.handlersDir), cacheDir, request.tool);
  const { manifest } = inventory;
  const { version } = await import("esbuild");
  const ca = request.ca === undefined ? null : normalizeText(request.ca);
  const key = sha256(JSON.stringify([request.tool, version, manifest.hash, hashFiles(handlers), ca]));
  const shelf = openShelf(cacheDir);
  const known = shelf.find(key);
  if (known !== undefined) return { ...known, manifest };
  const { files, followsDigests } = await migrationFiles(inventory, request.own);
  const all = new Map([...handlers, ...files]);
  if (ca !== null) all.set("ca.pem", Buffer.from(ca));
  const made = shelf.place(all);
  if (followsDigests) shelf.remember(key, made.hash);
  return { ...made, manifest };
}

interface MigrationFiles {
  readonly files: AssetFiles;
  readonly followsDigests: boolean;
}

async function migrationFiles(inventory: Inventory, own: WorkerRequest["own"]): Promise<MigrationFiles> {
  const { dir, entries, data, manifest } = inventory;
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
  const { code, followsDigests } = await compileDeployable(dir, modules, own);
  add("modules.mjs", code);
  return { files, followsDigests };
}

/** With the line ends and without the mark that a digest is blind to. */
function readSql(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    requireUtf8(path, bytes);
    return Buffer.from(normalizeLines(bytes.toString("latin1")), "latin1");
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    const message = `a migration cannot be read: ${errorMessage(cause)}`;
    throw new MigrationError("MIGRATION", message, { problems: [{ file: path, message }], cause });
  }
}

function normalizeText(text: string): string {
  return text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
}
