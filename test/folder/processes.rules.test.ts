import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { build } from "esbuild";
import { openFolder } from "../../lib/folder/index.ts";
import { type Files, LONG_AGO, type Project, projects } from "./folders.ts";

/** What depends on Node itself rather than on the loader of the test runner: each runs in plain processes. */

const make = projects();
const REPOSITORY = join(import.meta.dirname, "../..");

/** A project that has the library as users have it: compiled, with esbuild beside it. */
async function makeWithLibrary(files: Files): Promise<Project> {
  const project = make({ ...files, "package.json": '{"type":"module"}' });
  await build({
    entryPoints: [join(REPOSITORY, "lib/folder/index.ts")],
    outdir: join(project.root, "library"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    external: ["esbuild"],
  });
  mkdirSync(join(project.root, "node_modules"), { recursive: true });
  symlinkSync(join(REPOSITORY, "node_modules/esbuild"), join(project.root, "node_modules/esbuild"));
  return project;
}

/** Runs `body` as a module in a new process; returns the JSON that it prints. */
async function run(project: Project, body: string): Promise<unknown> {
  // Of its own: another process may be reading this one's while it is being written.
  const script = join(project.root, `script-${randomUUID()}.js`);
  const open = `openFolder(${JSON.stringify(project.dir)}, { cacheDir: ${JSON.stringify(project.cacheDir)} })`;
  writeFileSync(
    script,
    `const open = async () => { const { openFolder } = await import("./library/index.js"); return ${open}; };
    const namesOf = (folder) => folder.entries.map(({ name }) => name);
    const print = (value) => console.log(JSON.stringify(value));
    ${body}`,
  );
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script]);
  // Users would see warnings about experimental features.
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

test("a thousand unchanged files are not read, and esbuild is not loaded", async () => {
  const files = Array.from({ length: 1_000 }, (_, at) => [
    `migrations/${1000 + at}_m.ts`,
    at % 2 === 0 ? "export const up = 1;" : 'import "./lib/a.ts";\nexport const up = 1;',
  ]);
  const project = await makeWithLibrary({ ...Object.fromEntries(files), "migrations/lib/a.ts": "" });
  for (const path of ["migrations/lib", "package.json"])
    utimesSync(join(project.root, path), LONG_AGO, LONG_AGO);
  const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
  const digests = await folder.digests(folder.entries.map(({ name }) => name));
  const seen = await run(
    project,
    `const { default: fs } = await import("node:fs");
    const { default: childProcess } = await import("node:child_process");
    const { syncBuiltinESMExports } = await import("node:module");
    await import("./library/index.js");
    const counts = { reads: 0, stats: 0, processes: 0 };
    const count = (holder, key, names) => names.forEach((name) => {
      const real = holder[name];
      holder[name] = (...args) => {
        if (key === "processes" || String(args[0]).startsWith(${JSON.stringify(project.root)})) counts[key] += 1;
        return real.apply(holder, args);
      };
    });
    count(fs, "reads", ["readFileSync", "openSync", "readFile", "open"]);
    count(fs.promises, "reads", ["readFile", "open"]);
    count(fs, "stats", ["statSync", "lstatSync", "stat", "lstat"]);
    count(fs.promises, "stats", ["stat", "lstat"]);
    count(childProcess, "processes", ["spawn", "execFile", "fork"]);
    syncBuiltinESMExports();
    const folder = await open();
    const digests = await folder.digests(namesOf(folder));
    print({ ...counts, digests: [...digests] });`,
  );
  // One read is the cache; three more files are looked at: the helper, its folder, and package.json.
  expect(seen).toEqual({ reads: 1, stats: 1_003, processes: 0, digests: [...digests] });
});

test("twenty processes that share an empty cache all get every migration", async () => {
  const text = 'import { h } from "./lib/h.ts"; export const seen = h;';
  const project = await makeWithLibrary({
    ...Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`migrations/${100 + at}_m.ts`, text])),
    "migrations/lib/h.ts": "export const h = 7;",
  });
  // What changed within the last two seconds is not remembered: a fast machine would be done by then.
  for (const path of ["migrations/lib", "package.json"])
    utimesSync(join(project.root, path), LONG_AGO, LONG_AGO);
  const body = `const folder = await open();
    const digests = await folder.digests(namesOf(folder));
    const loaded = await folder.load(namesOf(folder));
    print({ digests: [...digests.values()], sum: [...loaded.values()].reduce((sum, { exports }) => sum + exports.seen, 0) });`;
  const results = await Promise.all(Array.from({ length: 20 }, () => run(project, body)));
  for (const result of results) expect(result).toEqual(results[0]);
  expect(results[0]).toMatchObject({ sum: 350 });
  expect(readdirSync(join(project.cacheDir, "compiled"))).toHaveLength(1);
  expect(readdirSync(join(project.cacheDir, "digests")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

describe("failures in plain processes", () => {
  test("a failure names the migration whose package throws", async () => {
    const project = await makeWithLibrary({
      ...Object.fromEntries(
        [1, 2, 3, 5, 6, 7].map((at) => [`migrations/00${at}_ok.ts`, "export const up = 1;"]),
      ),
      "migrations/004_bad.ts": 'import "bad"; export const up = 1;',
      "node_modules/bad/package.json": '{"type":"module","main":"i.js"}',
      "node_modules/bad/i.js": "throw new Error('a bad package');",
    });
    const body = `const folder = await open();
      await folder.load(namesOf(folder)).catch(({ code, message }) => print([code, message]));`;
    const message = `${join(project.dir, "004_bad.ts")} throws when it is loaded: a bad package`;
    expect(await run(project, body)).toEqual(["MIGRATION", message]);
  });

  test("the stack of a failure shows the original line", async () => {
    const project = await makeWithLibrary({
      "migrations/001_a.ts":
        "type Long = {\n  gone: string;\n};\n\nexport function up(): Long {\n  throw new Error('x');\n}\n",
    });
    const body = `process.setSourceMapsEnabled(true);
      const folder = await open();
      const { exports } = (await folder.load(["001_a"])).get("001_a");
      try { exports.up(); } catch ({ stack }) { print(stack); }`;
    expect(await run(project, body)).toContain(`(${join(project.dir, "001_a.ts")}:6:9)`);
  });
});

describe("default cache folders", () => {
  const body = `process.env.TMPDIR = ROOT + "/tmp";
    const { openFolder } = await import("./library/index.js");
    const folder = await openFolder(ROOT + "/migrations");
    await folder.load(namesOf(folder));
    const { readdirSync, statSync, existsSync } = await import("node:fs");
    const temporary = readdirSync(ROOT + "/tmp").toSorted();
    const modes = temporary.map((name) => (statSync(ROOT + "/tmp/" + name).mode & 0o777).toString(8));
    print({ temporary: temporary.map((name) => name.replace(/-[^-]*$/, "")), modes,
      modules: existsSync(ROOT + "/node_modules/.cache/cdk-pg-migrate/compiled") });`;
  const MIGRATION = { "migrations/001_a.ts": "export const up = 1;", "tmp/x": "" };
  const runIn = (project: Project) => {
    rmSync(join(project.root, "tmp/x"));
    return run(project, `const ROOT = ${JSON.stringify(project.root)};\n${body}`);
  };

  test("the default cache is in the nearest node_modules", async () => {
    const seen = await runIn(await makeWithLibrary(MIGRATION));
    expect(seen).toEqual({ temporary: [], modes: [], modules: true });
  });

  test("the default cache is a private temporary folder where node_modules is missing", async () => {
    const project = await makeWithLibrary({ ...MIGRATION, "node_modules/.cache": "not a folder" });
    expect(await runIn(project)).toEqual({ temporary: ["cdk-pg-migrate"], modes: ["700"], modules: false });
  });

  test("a temporary folder that others may enter is not used as cache", async () => {
    const project = await makeWithLibrary({ ...MIGRATION, "node_modules/.cache": "not a folder" });
    const planted = join(project.root, "tmp", `cdk-pg-migrate-${process.getuid?.()}`);
    mkdirSync(planted);
    chmodSync(planted, 0o777);
    expect(await runIn(project)).toMatchObject({ modes: ["777", "700"] });
    expect(readdirSync(planted)).toEqual([]);
  });
});

test("a required ES module prints no warning", async () => {
  const project = await makeWithLibrary({
    "migrations/001_a.cjs": 'exports.seen = require("esm").x; exports.lodash = require("old").y;',
    "node_modules/esm/package.json": '{"type":"module","main":"i.js"}',
    "node_modules/esm/i.js": "export const x = 'x';",
    "node_modules/old/index.js": "exports.y = 'y';",
  });
  const body = `const folder = await open();
    print((await folder.load(["001_a"])).get("001_a").exports);`;
  expect(await run(project, body)).toEqual({ seen: "x", lodash: "y" });
});
