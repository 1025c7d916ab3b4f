// Makes dist/, which is what is published: the constructs with types, the Lambda handlers bundled, and the CLI. Run by
// `npm pack` and `npm publish`.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { builtinModules } from "../lib/asset/builtin-modules.mjs";
import { bundleCli } from "./cli-bundle.mjs";
import { licencesOf } from "./licences.mjs";
import { buildPublicApi } from "./public-api.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const RDS_CERTIFICATES = "rds-global-bundle.pem";

function compileTypeScript(...args) {
  const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [compiler, "-p", ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error(`tsc ended with ${status}`);
}

async function bundlePublicApi() {
  const declarations = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-types-"));
  try {
    compileTypeScript("tsconfig.types.json", "--outDir", declarations);
    return await buildPublicApi(root, declarations, join(dist, "api"));
  } finally {
    rmSync(declarations, { recursive: true, force: true });
  }
}

async function bundleHandlers() {
  const { buildHandlers } = await import(pathToFileURL(join(dist, "lib/asset/index.js")).href);
  const metafile = await buildHandlers(join(root, "lambda"), join(dist, "handlers"));
  cpSync(join(root, "lambda", RDS_CERTIFICATES), join(dist, "handlers", RDS_CERTIFICATES));
  return { metafile, from: join(root, "lambda") };
}

async function bundleCommandLine() {
  const outdir = join(dist, "cli");
  const { metafile } = await bundleCli(root, {
    outdir,
    minifySyntax: true,
    minifyWhitespace: true,
    define: { INSTALLED: "true" },
    metafile: true,
    logLevel: "warning",
  });
  await build({
    entryPoints: { migrate: join(root, "scripts", "start.mjs") },
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node14",
    plugins: [builtinModules],
  });
  return { metafile, from: process.cwd() };
}

rmSync(dist, { recursive: true, force: true });
compileTypeScript("tsconfig.build.json");
const bundled = [...(await bundlePublicApi()), await bundleHandlers(), await bundleCommandLine()];
writeFileSync(join(dist, "LICENSES.txt"), licencesOf(bundled));
