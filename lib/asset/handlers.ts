import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Metafile } from "esbuild";
import { MigrationError, property } from "../core/index.ts";
import { sweep, writeAtomically } from "../folder/index.ts";
import { type AssetFiles, sha256 } from "./asset-cache.ts";
import {
  type CompiledHandlers,
  compileHandlers,
  ENGINE_COPY,
  HANDLERS,
  isFleetHandler,
  isSharedPart,
} from "./compile-handlers.ts";
import type { AssetRequest } from "./worker-protocol.ts";

/**
 * Compiles the handlers in `sourceDir` (on-deploy.ts, on-status.ts and so on) with everything they import, and a copy of
 * node-pg-migrate that shares its classes with them, into `outDir`: what the published package contains. Returns esbuild's
 * metafile.
 */
export async function buildHandlers(sourceDir: string, outDir: string): Promise<Metafile> {
  const { files, metafile } = await compileHandlers(resolve(sourceDir));
  mkdirSync(outDir, { recursive: true });
  // Remove what an earlier build left.
  for (const name of readdirSync(outDir)) if (isSharedPart(name)) rmSync(join(outDir, name));
  for (const [path, bytes] of files) writeFileSync(join(outDir, path), bytes);
  return metafile;
}

/** The handlers as they go into the asset. Sources are compiled if they, their imports or `tool` have changed. */
export async function loadHandlers(
  dir: string,
  functions: NonNullable<AssetRequest["functions"]>,
  cacheDir: string,
  tool: string,
): Promise<AssetFiles> {
  const all = await loadAll(dir, cacheDir, tool);
  return functions === "fleet" ? all : new Map([...all].filter(([name]) => !isFleetHandler(name)));
}

async function loadAll(dir: string, cacheDir: string, tool: string): Promise<AssetFiles> {
  const hasAll = (extension: string) =>
    HANDLERS.every((name) => existsSync(join(dir, `${name}${extension}`)));
  if (hasAll(".mjs")) return readBuilt(dir);
  if (!hasAll(".ts")) {
    const hint = `the folder must have ${HANDLERS.map((name) => `${name}.ts`).join(", ")}, or all of them as .mjs`;
    throw new MigrationError("ASSET", `no handlers in ${dir}`, { hint });
  }
  const { version } = await import("esbuild");
  const key = sha256(JSON.stringify([dir, tool, version])).slice(0, 16);
  const cacheFile = join(cacheDir, "handlers", `${key}.json`);
  const cached = readCache(cacheFile);
  if (cached !== undefined) return cached;
  const compiled = await compileHandlers(dir);
  writeCache(cacheFile, dir, compiled);
  return compiled.files;
}

function readBuilt(dir: string): AssetFiles {
  const names = readdirSync(dir).filter((name) => name.endsWith(".mjs"));
  if (!names.includes(`${ENGINE_COPY}.mjs`)) {
    const hint = "build the handlers again with buildHandlers";
    throw new MigrationError("ASSET", `no ${ENGINE_COPY}.mjs beside the handlers in ${dir}`, { hint });
  }
  return new Map(names.map((name) => [name, readFileSync(join(dir, name))]));
}

const UNUSED_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** Undefined on a cache miss, and when a file that was compiled has changed. */
function readCache(path: string): AssetFiles | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    const inputs = textPairs(property(content, "inputs"));
    const files = textPairs(property(content, "files"));
    if (files.length === 0 || inputs.some(([input, digest]) => sha256(readFileSync(input)) !== digest))
      return undefined;
    return new Map(files.map(([name, text]) => [name, Buffer.from(text)]));
  } catch {
    return undefined;
  }
}

function writeCache(path: string, dir: string, { files, metafile }: CompiledHandlers): void {
  try {
    const inputs = Object.keys(metafile.inputs)
      .filter((input) => !/^(?:stub|builtin):/.test(input))
      .map((input) => resolve(dir, input));
    const digests = inputs.map((input) => [input, sha256(readFileSync(input))]);
    const contents = [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
    writeAtomically(path, JSON.stringify({ inputs: digests, files: contents }));
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch {
    // It is compiled again the next time.
  }
}

function textPairs(value: unknown): [string, string][] {
  return Array.isArray(value) ? value.map(([first, second]) => [String(first), String(second)]) : [];
}
