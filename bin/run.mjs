// Runs bin/migrate.ts from source: compiles it with esbuild, and again when a source file is newer. A loader that
// compiles each file when it is imported would cost every command a quarter of a second.
import "../scripts/check-node.mjs";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import module from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { privateCache, safeCache } from "../lib/folder/safe-cache.mjs";

const program = fileURLToPath(import.meta.url);
const root = dirname(dirname(program));
const folders = ["bin", "lib", "scripts"];

/**
 * Time of the newest change below a folder, changes of folders included: deleting a file changes only its folder. Not
 * with `readdirSync(…, { recursive: true })`, which takes three times as long.
 */
function newestBelow(folder) {
  const times = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? newestBelow(path) : statSync(path).mtimeMs;
  });
  return Math.max(statSync(folder).mtimeMs, ...times);
}

function newestSource() {
  const lock = statSync(join(root, "package-lock.json")).mtimeMs;
  return Math.max(lock, ...folders.map((folder) => newestBelow(join(root, folder))));
}

/**
 * The folder for compiled code: in node_modules if it is writable and no other user can write there. Otherwise (an image
 * that was built as root and runs as another user) a private folder with a link to node_modules, to resolve packages.
 */
function cacheFolder() {
  const modules = join(root, "node_modules");
  const besidePackages = safeCache(modules, program);
  if (besidePackages !== undefined) return join(besidePackages, "cli");
  const checkout = createHash("sha256").update(root).digest("hex").slice(0, 16);
  const cache = join(privateCache(), `cli-${checkout}`);
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  try {
    symlinkSync(modules, join(cache, "node_modules"), "junction");
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  return cache;
}

async function compile(cache, outdir) {
  const { bundleCli } = await import("../scripts/cli-bundle.mjs").catch((error) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    process.stderr.write("The dependencies are not installed yet: run `npm install` first.\n");
    process.exit(1);
  });
  const { outputFiles } = await bundleCli(root, {
    outdir,
    sourcemap: "linked",
    write: false,
    logLevel: "error",
  });
  // Written to a draft and renamed, because several commands may start at once.
  const draft = `${outdir}.${process.pid}`;
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  for (const { path, contents } of outputFiles)
    writeFileSync(join(draft, basename(path)), contents, { mode: 0o600 });
  try {
    renameSync(draft, outdir);
  } catch {
    rmSync(draft, { recursive: true, force: true });
  }
  sweep(cache);
}

/** Removes old versions. Commands may still run one that was compiled in the last hour. */
function sweep(cache) {
  for (const name of readdirSync(cache)) {
    if (name === "node_modules") continue;
    const path = join(cache, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > 3_600_000) rmSync(path, { recursive: true, force: true });
  }
}

async function start() {
  const cache = cacheFolder();
  const outdir = join(cache, newestSource().toFixed(0));
  const entry = join(outdir, "cli.mjs");
  if (!statSync(entry, { throwIfNoEntry: false })) await compile(cache, outdir);
  // Node 22 and newer cache V8 code, that of packages included.
  if (module.enableCompileCache) module.enableCompileCache(join(cache, "..", "node"));
  await import(pathToFileURL(entry).href);
}

// Not awaited: the Node.js versions refused above cannot parse a top-level await.
start();
