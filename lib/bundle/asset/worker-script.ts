import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { property } from "../../core/index.ts";
import { defaultCacheDir, nearest } from "../cache-dir.ts";
import { compiledModule, placeModule } from "../compile/place.ts";
import type { WorkerRequest } from "./request.ts";

/** What runs in the process behind `buildAssetSync`. */
export interface WorkerScript extends Pick<WorkerRequest, "own" | "tool"> {
  /** Absolute path of a file that Node can run as it is. */
  readonly path: string;
}

/** The published package has it as JavaScript; in the source tree it is compiled first. */
export function workerScript(): WorkerScript {
  const here = import.meta.dirname;
  const folder = dirname(here);
  const extension = new URL(import.meta.url).pathname.endsWith(".ts") ? ".ts" : ".js";
  const source = join(here, `worker${extension}`);
  if (!existsSync(source)) {
    throw new Error(
      `${source} is missing: cdk-pg-migrate cannot be bundled into another file; leave it external, in node_modules`,
    );
  }
  const own = { folder, extension };
  if (extension === ".js") return { path: source, own, tool: packageVersion(folder) };
  const path = compileWorker(folder, source);
  return { path, own, tool: basename(path) };
}

/** Of the nearest package.json that has one: the compiled folder may have its own, to name its module system. */
function packageVersion(folder: string): string {
  const manifest = nearest(folder, "package.json");
  if (manifest === undefined) throw new Error(`no package.json with a version above ${folder}`);
  const content: unknown = JSON.parse(readFileSync(manifest, "utf8"));
  const version = property(content, "version");
  return typeof version === "string" ? version : packageVersion(dirname(dirname(manifest)));
}

/** Named by what it holds, so the name is a version as well. */
function compileWorker(folder: string, source: string): string {
  // Only who builds an asset pays for loading the compiler.
  const esbuild: typeof import("esbuild") = createRequire(import.meta.url)("esbuild");
  const { outputFiles } = esbuild.buildSync({
    entryPoints: [source],
    absWorkingDir: folder,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    write: false,
    tsconfigRaw: "{}",
    logLevel: "silent",
  });
  return fileURLToPath(placeModule(compiledModule(defaultCacheDir(folder), outputFiles[0]?.text ?? "")));
}
