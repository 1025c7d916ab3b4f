import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "@jest/globals";
import { transformSync } from "esbuild";
import { type Files, LONG_AGO, type Project, projects } from "../folder/folders.ts";
import { assetOf, BUILT_HANDLERS, REPOSITORY } from "./assets.ts";

/** The asset as users get it: from the published package, in plain processes. */

const make = projects();
const MIGRATIONS: Files = {
  "migrations/1_a.ts": 'import { h } from "./lib/h.ts"; export const up = h;',
  "migrations/lib/h.ts": "export const h = 1;",
  "migrations/2_b.sql": "SELECT 1;",
};

const ASSET = "lib/asset";
const MOVED = `${dirname(ASSET)}/moved`;

/** A project with this room, and those it imports, as the package has them: each file compiled by itself, in the same folders. */
function makePublished(files: Files = MIGRATIONS): Project {
  const project = make({ ...BUILT_HANDLERS, ...files });
  const home = join(project.root, "node_modules/cdk-pg-migrate");
  const rooms = [ASSET, "lib/folder", "lib/core"].map((room) => join(REPOSITORY, room));
  const sources = rooms.flatMap((room) => readdirSync(room, { recursive: true, withFileTypes: true }));
  for (const found of sources) {
    if (!found.isFile()) continue;
    const source = join(found.parentPath, found.name);
    const target = join(home, "dist", source.slice(REPOSITORY.length).replace(/\.ts$/, ".js"));
    const { code } = transformSync(readFileSync(source, "utf8"), { loader: "ts", target: "es2022" });
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code.replace(/(["'])(\.{1,2}\/[^"']*)\.ts\1/g, "$1$2.js$1"));
  }
  writeFileSync(join(home, "package.json"), '{"name":"cdk-pg-migrate","version":"1.2.3","type":"module"}');
  symlinkSync(join(REPOSITORY, "node_modules/esbuild"), join(project.root, "node_modules/esbuild"));
  return project;
}

/** A script in the project that builds its asset, prints it as JSON, or what was thrown. */
function scriptOf({ root }: Project): string {
  const script = join(root, `script-${randomUUID()}.mjs`);
  writeFileSync(
    script,
    `import { buildAssetSync } from "./node_modules/cdk-pg-migrate/dist/${ASSET}/index.js";
    try { console.log(JSON.stringify(buildAssetSync({ migrationsDir: "migrations", handlersDir: "handlers" }))); }
    catch ({ name, code, message, details }) { console.log(JSON.stringify({ name, code, message, details })); }`,
  );
  return script;
}

function build(project: Project, env: Readonly<Record<string, string>> = {}): unknown {
  const options = { cwd: project.root, encoding: "utf8", env: { ...process.env, ...env } } as const;
  return JSON.parse(execFileSync(process.execPath, [scriptOf(project)], options));
}

test("an unchanged asset is returned without a working compiler", () => {
  const project = makePublished();
  // A folder that changed just now may change again unseen: it is asked about anew.
  utimesSync(join(project.dir, "lib"), LONG_AGO, LONG_AGO);
  const first = build(project);
  expect(first).toMatchObject({
    dir: expect.stringContaining(join(project.root, "node_modules/.cache/cdk-pg-migrate/assets")),
    manifest: { migrations: [{ name: "1_a" }, { name: "2_b" }] },
  });
  const broken = { ESBUILD_BINARY_PATH: join(project.root, "no-esbuild") };
  writeFileSync(broken.ESBUILD_BINARY_PATH, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  expect(build(project, broken)).toEqual(first);
  project.write({ "migrations/lib/h.ts": "export const h = 2;" });
  expect(build(project, broken)).toMatchObject({
    code: "TOOL_MISSING",
    message: expect.stringMatching(/esbuild cannot be run: /),
  });
});

test("the package and the source tree give the same manifest", () => {
  const { manifest } = assetOf(make({ ...BUILT_HANDLERS, ...MIGRATIONS }));
  expect(build(makePublished())).toMatchObject({ manifest });
});

test("an error of the worker process arrives with code, hint and problems", () => {
  const project = makePublished({ "migrations/1_a.ts": "\nconst = 1;", "migrations/2_b.ts": "" });
  expect(build(project)).toMatchObject({
    name: "MigrationError",
    code: "MIGRATION",
    message: expect.stringMatching(/1_a\.ts:2:7: /),
    details: {
      hint: expect.any(String),
      problems: [{ file: join(project.dir, "1_a.ts"), line: 2, column: 7 }],
    },
  });
});

test("output of modules preloaded into every process is ignored", () => {
  const project = makePublished();
  writeFileSync(
    join(project.root, "loud.cjs"),
    'if (process.argv[1]?.includes("worker")) console.log("{}\\nhello");',
  );
  const before = build(project);
  expect(build(project, { NODE_OPTIONS: `--require=${join(project.root, "loud.cjs")}` })).toEqual(before);
});

test("several processes that build at once get the same asset", async () => {
  const project = makePublished();
  const results = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, [scriptOf(project)], { cwd: project.root, stdio: "pipe" });
      return JSON.parse(await text(child.stdout));
    }),
  );
  for (const result of results) expect(result).toEqual(results[0]);
  expect(existsSync(String(Reflect.get(results[0], "dir")))).toBe(true);
  const assets = readdirSync(join(project.root, "node_modules/.cache/cdk-pg-migrate/assets"));
  expect(assets.filter((name) => /^[0-9a-f]{64}$/.test(name))).toHaveLength(1);
  expect(assets.filter((name) => name.includes("tmp"))).toEqual([]);
});

test("code that was bundled into another file fails with the way to load it", () => {
  const project = makePublished();
  cpSync(
    join(project.root, "node_modules/cdk-pg-migrate/dist", ASSET),
    join(project.root, "node_modules/cdk-pg-migrate/dist", MOVED),
    { recursive: true, filter: (path) => !path.endsWith("worker.js") },
  );
  const script = scriptOf(project);
  writeFileSync(script, readFileSync(script, "utf8").replace(`dist/${ASSET}`, `dist/${MOVED}`));
  const printed = execFileSync(process.execPath, [script], { cwd: project.root, encoding: "utf8" });
  expect(JSON.parse(printed)).toMatchObject({ message: expect.stringMatching(/leave it external/) });
});
