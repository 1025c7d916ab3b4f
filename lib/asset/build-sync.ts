import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { property } from "../core/index.ts";
import { compiledModule, defaultCacheDir, exportsFile, nearest, placeModule } from "../folder/index.ts";
import { type AssetRequest, type BuiltAsset, readAnswer, type WorkerRequest } from "./worker-protocol.ts";

/**
 * Builds the asset of the functions: handlers, compiled migrations and their manifest, in a folder named by its hash.
 * Works in another process, because a construct cannot await; compiles nothing if nothing has changed.
 * @throws MigrationError: `USAGE` when the folder is missing or empty, `ASSET` when there are no handlers, `MIGRATION` when a file
 * cannot be a migration, two share a name, or one does not compile or could not run in the asset.
 */
export function buildAssetSync(request: AssetRequest): BuiltAsset {
  const worker = findWorker();
  const workerRequest: WorkerRequest = {
    ...request,
    migrationsDir: resolve(request.migrationsDir),
    handlersDir: resolve(request.handlersDir),
    exportsFile: exportsFile(),
    tool: worker.tool,
  };
  const ended = spawnSync(process.execPath, [worker.path], {
    input: JSON.stringify(workerRequest),
    encoding: "utf8",
    maxBuffer: Number.POSITIVE_INFINITY,
    windowsHide: true,
  });
  // Modules preloaded into every Node process may print before the answer.
  const asset = readAnswer((ended.stdout ?? "").trimEnd().split("\n").at(-1) ?? "");
  if (asset !== undefined && ended.status === 0) return asset;
  const reason =
    ended.error?.message ?? (ended.stderr.trim() || `it ended with ${ended.signal ?? ended.status}`);
  throw new Error(`the process that builds the asset failed: ${reason}`, { cause: ended.error });
}

interface Worker extends Pick<WorkerRequest, "tool"> {
  /** Absolute path of a file that Node can run. */
  readonly path: string;
}

/** The published package has the worker as JavaScript; a checkout compiles it first. */
function findWorker(): Worker {
  const dir = import.meta.dirname;
  const extension = new URL(import.meta.url).pathname.endsWith(".ts") ? ".ts" : ".js";
  const source = join(dir, `worker${extension}`);
  if (!existsSync(source)) {
    throw new Error(
      `${source} is missing: cdk-pg-migrate cannot be bundled into another file; leave it external, in node_modules`,
    );
  }
  if (extension === ".js") return { path: source, tool: packageVersion(dir) };
  const path = compileWorker(source);
  return { path, tool: basename(path) };
}

/** Reads the nearest package.json that has a version: that of the compiled folder may only set the module system. */
function packageVersion(dir: string): string {
  const manifest = nearest(dir, "package.json");
  if (manifest === undefined) throw new Error(`no package.json with a version above ${dir}`);
  const content: unknown = JSON.parse(readFileSync(manifest, "utf8"));
  const version = property(content, "version");
  return typeof version === "string" ? version : packageVersion(dirname(dirname(manifest)));
}

/** Named by a hash of its code, so the name is a version as well. */
function compileWorker(source: string): string {
  // Loaded on demand: importing the constructs must not load the compiler.
  const esbuild: typeof import("esbuild") = createRequire(import.meta.url)("esbuild");
  const dir = dirname(source);
  const { outputFiles } = esbuild.buildSync({
    entryPoints: [source],
    absWorkingDir: dir,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    write: false,
    tsconfigRaw: "{}",
    logLevel: "silent",
  });
  return fileURLToPath(placeModule(compiledModule(defaultCacheDir(dir), outputFiles[0]?.text ?? "")));
}
