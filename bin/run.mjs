// Runs bin/migrate.ts from source on every supported Node: compiled once with esbuild, and again when a source
// file is newer. A loader that compiles on the fly would cost every command a quarter of a second.
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
 * Newest change below a folder; folders count too, because deleting a file changes only its folder. Walked by hand:
 * Node's own recursive reading takes three times as long.
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
 * The folder for compiled code: in node_modules where that can be written and is safe. It cannot where, for example,
 * an image was built as root and runs as another user; then it is a private folder, from which packages are found
 * through a link.
 */
function cacheFolder() {
  const modules = join(root, "node_modules");
  const beside = safeCache(modules, program);
  if (beside !== undefined) return join(beside, "cli");
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
  // Made aside and moved into place whole: several commands may start at once.
  const aside = `${outdir}.${process.pid}`;
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const { path, contents } of outputFiles)
    writeFileSync(join(aside, basename(path)), contents, { mode: 0o600 });
  try {
    renameSync(aside, outdir);
  } catch {
    rmSync(aside, { recursive: true, force: true });
  }
  sweep(cache);
}

/** Old versions go; those of the last hour may still be running. */
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
  // Node 22 and newer keep what they have compiled, packages included.
  if (module.enableCompileCache) module.enableCompileCache(join(cache, "..", "node"));
  await import(pathToFileURL(entry).href);
}

// Not awaited: the Node.js versions refused above cannot parse a top-level await.
start();
