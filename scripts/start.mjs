// The package's program: published as dist/cli/migrate.mjs, beside the files that it chooses from. Started by
// bin/cdk-pg-migrate.mjs.
import "./check-node.mjs";
import module from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileFor } from "./cli-file.mjs";
import { safeCache } from "./safe-cache.mjs";

const file = fileURLToPath(import.meta.url);
const root = join(dirname(file), "..", "..");
const modules = basename(dirname(root)) === "node_modules" ? dirname(root) : join(root, "node_modules");
// Node 22 and newer keep what they have compiled; where nothing can be written they do without. Never where somebody
// else might put a file for us to run.
if (module.enableCompileCache) {
  const cache = safeCache(modules, file);
  if (cache !== undefined) module.enableCompileCache(join(cache, "node"));
}
// Not awaited: versions of Node.js that are refused above would not even read it.
import(new URL(fileFor(process.argv[2]), import.meta.url).href);
