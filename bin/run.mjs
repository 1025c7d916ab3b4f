// Runs bin/migrate.ts from source on every supported Node: compiled once with esbuild, and again when a source
// file is newer. A loader that compiles on the fly would cost every command a quarter of a second.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import module from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fileFor } from "../scripts/cli-file.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, "node_modules", ".cache", "cdk-pg-migrate", "cli");
const folders = ["bin", "lib/bundle", "lib/cli", "lib/migrator", "scripts"];

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

async function compile(outdir) {
  const { bundleCli } = await import("../scripts/cli-bundle.mjs").catch(() => {
    process.stderr.write("The dependencies are not installed yet: run `npm install` first.\n");
    process.exit(1);
  });
  const bundles = await bundleCli(root, {
    outdir,
    sourcemap: "linked",
    write: false,
    logLevel: "error",
  });
  // Made aside and moved into place whole: several commands may start at once.
  const aside = `${outdir}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  for (const { path, contents } of bundles.flatMap(({ outputFiles }) => outputFiles))
    writeFileSync(join(aside, basename(path)), contents);
  try {
    renameSync(aside, outdir);
  } catch {
    rmSync(aside, { recursive: true, force: true });
  }
  sweep();
}

/** Old versions go; those of the last hour may still be running. */
function sweep() {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > 3_600_000) rmSync(path, { recursive: true, force: true });
  }
}

const outdir = join(cache, newestSource().toFixed(0));
const entry = join(outdir, fileFor(process.argv[2]));
if (!statSync(entry, { throwIfNoEntry: false })) await compile(outdir);
// Node 22 and newer keep what they have compiled, packages included.
module.enableCompileCache?.(join(cache, "..", "node"));
await import(pathToFileURL(entry).href);
