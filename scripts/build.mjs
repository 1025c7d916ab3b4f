// Makes dist/, which is what is published: the constructs as ES modules with types, the Lambda handlers bundled, and
// the CLI. Run by `npm pack` and `npm publish`.
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

function compileTypeScript() {
  const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`tsc ended with ${status}`);
}

async function bundleHandlers() {
  const { buildHandlers } = await import(pathToFileURL(join(dist, "lib", "bundle", "index.js")).href);
  await buildHandlers(join(root, "lambda"), join(dist, "handlers"));
}

/** Split, so that a command loads what it needs; a folder of small files would cost each of them some milliseconds. */
async function bundleCli() {
  const outdir = join(dist, "cli");
  await build({
    entryPoints: { migrate: join(root, "bin", "migrate.ts") },
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    define: { INSTALLED: "true" },
    logLevel: "warning",
  });
  const entry = join(outdir, "migrate.mjs");
  writeFileSync(entry, `#!/usr/bin/env node\n${readFileSync(entry, "utf8")}`);
  chmodSync(entry, 0o755);
}

rmSync(dist, { recursive: true, force: true });
compileTypeScript();
await bundleHandlers();
await bundleCli();
