// Compiles the public constructs with jsii, which says what other languages could not use. CI prints what it says.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** For TypeScript 6.0, which this project is written in. From npm's cache or registry: only CI needs it. */
const JSII = "jsii@6.0.16";
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const copy = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-jsii-"));

/** jsii wants to be asked for in package.json, and dependencies of another kind than its own to be bundled. */
function manifest() {
  const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { "aws-cdk-lib": cdk, constructs } = own.peerDependencies;
  const peers = { "aws-cdk-lib": cdk, constructs };
  return {
    name: own.name,
    version: own.version,
    description: own.description,
    license: own.license,
    type: own.type,
    author: { name: own.name, url: "https://example.com" },
    repository: { type: "git", url: "https://example.com/cdk-pg-migrate.git" },
    main: "js/lib/index.js",
    types: "js/lib/index.d.ts",
    dependencies: own.dependencies,
    bundledDependencies: Object.keys(own.dependencies),
    peerDependencies: peers,
    devDependencies: { "aws-cdk-lib": cdk.slice(1), constructs: constructs.slice(1) },
    jsii: {
      outdir: "out",
      targets: { python: { distName: own.name, module: "cdk_pg_migrate" } },
      tsconfig: "tsconfig.json",
      validateTsconfig: "off",
    },
  };
}

const settings = {
  extends: join(root, "tsconfig.json"),
  compilerOptions: {
    noEmit: false,
    incremental: false,
    tsBuildInfoFile: null,
    declaration: true,
    rootDir: ".",
    outDir: "js",
    rewriteRelativeImportExtensions: true,
    isolatedModules: false,
    typeRoots: [join(root, "node_modules/@types")],
  },
  files: ["lib/index.ts"],
  include: [],
};

try {
  for (const folder of ["lib", "lambda", "README.md"]) {
    cpSync(join(root, folder), join(copy, folder), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  writeFileSync(join(copy, "package.json"), JSON.stringify(manifest()));
  writeFileSync(join(copy, "tsconfig.json"), JSON.stringify(settings));
  const args = ["exec", "--yes", `--package=${JSII}`, "--", "jsii", copy, "--silence-warnings=JSII4009"];
  const env = { ...process.env, JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION: "1" };
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: copy, env, encoding: "utf8" });
  const said = `${stdout}${stderr}`.replace(/^!!.*\n/gm, "");
  process.stdout.write(`The public API, as jsii compiles it:\n${said.trim()}\n`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
