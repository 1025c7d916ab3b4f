import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Metafile } from "esbuild";
import { MigrationError } from "../../core/index.ts";
import type { AssetFiles } from "./asset-files.ts";
import { ENGINE_COPY, HANDLERS, isPart, STACK_EVENT_HANDLER } from "./handler-names.ts";
import { handlersCacheFile, readHandlersCache, writeHandlersCache } from "./handlers-cache.ts";

const ENTRY_POINTS = [...HANDLERS, STACK_EVENT_HANDLER];

/**
 * Compiles the handlers in `sourceDir` (on-deploy.ts, on-status.ts, on-operate.ts, on-stack-event.ts) with everything they import, and a
 * copy of node-pg-migrate that shares its classes with them, into `outDir`: what a published package holds.
 * Gives esbuild's account of what went into each file.
 */
export async function buildHandlers(sourceDir: string, outDir: string): Promise<Metafile> {
  const { compileHandlers } = await import("./compile-handlers.ts");
  const { files, metafile } = await compileHandlers(resolve(sourceDir));
  mkdirSync(outDir, { recursive: true });
  // Parts of an earlier build would be taken along.
  for (const name of readdirSync(outDir)) if (isPart(name)) rmSync(join(outDir, name));
  for (const [path, bytes] of files) writeFileSync(join(outDir, path), bytes);
  return metafile;
}

/**
 * The handlers as they go into the asset. Sources are compiled when they, or what they import, have changed, or when
 * this `tool` has.
 */
export async function loadHandlers(dir: string, cacheDir: string, tool: string): Promise<AssetFiles> {
  const has = (extension: string) =>
    ENTRY_POINTS.every((name) => existsSync(join(dir, `${name}${extension}`)));
  if (has(".mjs")) return readBuilt(dir);
  if (!has(".ts")) {
    const hint = `the folder must have ${ENTRY_POINTS.map((name) => `${name}.ts`).join(", ")}, or all of them as .mjs`;
    throw new MigrationError("ASSET", `no handlers in ${dir}`, { hint });
  }
  const { version } = await import("esbuild");
  const path = handlersCacheFile(cacheDir, [dir, tool, version]);
  const known = readHandlersCache(path);
  if (known !== undefined) return known;
  const { compileHandlers } = await import("./compile-handlers.ts");
  const { files, metafile } = await compileHandlers(dir);
  writeHandlersCache(path, dir, { files, inputs: Object.keys(metafile.inputs) });
  return files;
}

function readBuilt(dir: string): AssetFiles {
  const names = readdirSync(dir).filter((name) => name.endsWith(".mjs"));
  if (!names.includes(`${ENGINE_COPY}.mjs`)) {
    const hint = "build the handlers again with buildHandlers";
    throw new MigrationError("ASSET", `no ${ENGINE_COPY}.mjs beside the handlers in ${dir}`, { hint });
  }
  return new Map(names.map((name) => [name, readFileSync(join(dir, name))]));
}
