// The package's program: published as dist/cli/migrate.mjs, beside the command line (cli.mjs). Started by
// bin/cdk-pg-migrate.mjs.
import "./check-node.mjs";
import module from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { safeCache } from "../lib/folder/safe-cache.mjs";

const file = fileURLToPath(import.meta.url);
const root = join(dirname(file), "..", "..");
const modules = basename(dirname(root)) === "node_modules" ? dirname(root) : join(root, "node_modules");
// The compile cache of Node 22 and newer holds code that is executed: only in a folder that no other user can write to.
if (module.enableCompileCache) {
  const cache = safeCache(modules, file);
  if (cache !== undefined) module.enableCompileCache(join(cache, "node"));
}
// Not awaited: the Node.js versions refused above cannot parse a top-level await.
import(new URL("cli.mjs", import.meta.url).href);
