import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { type Files, projects } from "./folders.ts";
import { exportOf, loadAll, PROJECT } from "./loading.ts";

const make = projects();

/** What the one migration of a project exports as `seen`. */
async function seen(fileName: string, text: string, more: Files = {}): Promise<unknown> {
  const project = make({ [`migrations/${fileName}`]: text, ...PROJECT, ...more });
  const [loaded] = (await loadAll(project)).values();
  return exportOf(loaded, "seen");
}

describe("module formats", () => {
  test.each([
    ["001_a.ts", 'import { h } from "../helpers/h.ts"; export const seen = h;', "h"],
    ["001_a.ts", 'import { h } from "../helpers/h.js"; export const seen = h;', "h"],
    ["001_a.ts", 'import { h } from "../helpers/h"; export const seen = h;', "h"],
    ["001_a.ts", 'import c from "../helpers/c.cjs"; export const seen = c.c;', "c"],
    ["001_a.mts", 'import { c } from "../helpers/c.cjs"; export const seen = c;', "c"],
    ["001_a.ts", 'import j from "../helpers/j.json"; export const seen = j;', { j: 1 }],
    [
      "001_a.mjs",
      'import j from "../helpers/j.json" with { type: "json" }; export const seen = j;',
      { j: 1 },
    ],
    ["001_a.js", 'const { h } = require("../helpers/h.ts"); exports.seen = h;', "h"],
    ["001_a.cjs", 'module.exports = { seen: require("../helpers/c.cjs").c };', "c"],
    ["001_a.cts", 'const j = require("../helpers/j"); export = { seen: j };', { j: 1 }],
    ["001_a.ts", 'module.exports = { seen: require("old").x };', "x"],
    ["001_a.ts", "exports.seen = 1;", 1],
    ["001_a.mjs", "exports.seen = 1;", 1],
    ["001_a.ts", 'import { x } from "old"; export const seen = x;', "x"],
    ["001_a.ts", 'import old from "old"; export const seen = old.y;', "y"],
    ["001_a.ts", 'import * as old from "old"; export const seen = old.y;', "y"],
    ["001_a.ts", 'import d, { x } from "babel"; export const seen = [d, x];', ["d", "x"]],
    ["001_a.ts", 'import d, { x } from "esm"; export const seen = [d, x];', ["d", "x"]],
    ["001_a.cjs", 'const { x } = require("esm"); exports.seen = x;', "x"],
    ["001_a.cjs", 'const { x } = require("mjs/index.mjs"); exports.seen = x;', "x"],
    ["001_a.ts", 'export const seen = (await import("esm")).x;', "x"],
    ["001_a.ts", 'export const seen = (await import("../helpers/h.ts")).h;', "h"],
    ["001_a.ts", 'enum Kind { A = "a" } export const seen = Kind.A;', "a"],
    ["001_a.ts", "export const seen = await Promise.resolve(1);", 1],
    ["001_a.ts", 'import { h } from "../helpers/h.ts"; module.exports = { seen: h };', "h"],
    ["001_a.cjs", "export const shorthands = undefined; module.exports = { seen: 1 };", 1],
    ["001_a.mjs", "export default { seen: 1 }; export const seen = 2;", 2],
    [
      "001_a.cjs",
      'let seen; try { require("none") } catch (e) { seen = e.code } exports.seen = seen;',
      "MODULE_NOT_FOUND",
    ],
    ["001_a.js", "#!/usr/bin/env node\nexports.seen = __filename.length > 0;", true],
    ["001_a.ts", '\ufeffimport fs from "fs"; export const seen = typeof fs.readFileSync;', "function"],
    [
      "001_a.ts",
      'import { PgLiteral } from "node-pg-migrate"; export const seen = typeof PgLiteral;',
      "function",
    ],
    ["001_a.cjs", 'exports.seen = typeof require("node-pg-migrate").PgLiteral;', "function"],
    ["001_a.ts", 'import type { X } from "gone"; import { Y } from "gone"; export const seen: X | Y = 1;', 1],
  ])("%s loads: %s", async (fileName, text, value) => {
    expect(await seen(fileName, text)).toEqual(value);
  });

  test("modules load the same whatever the nearest package.json and tsconfig.json say", async () => {
    const strange = {
      "package.json": '{"type":"module"}',
      "tsconfig.json": '{ "extends": "./none.json", broken',
    };
    expect(await seen("001_a.js", "exports.seen = 1;", strange)).toBe(1);
    const strict = { "tsconfig.json": '{"compilerOptions":{"verbatimModuleSyntax":true,"target":"es3"}}' };
    expect(await seen("001_a.ts", 'import { T } from "gone"; export const seen: T = 2;', strict)).toBe(2);
  });

  test("imports may use paths of a tsconfig.json and imports of a package.json", async () => {
    const paths = {
      "tsconfig.json": '{"compilerOptions":{"paths":{"@/*":["./helpers/*"]}}}',
      "package.json": '{"imports":{"#*":"./helpers/*.ts"}}',
    };
    const text =
      'import { state } from "@/h"; import { state as s } from "#h"; export const seen = state === s;';
    expect(await seen("001_a.ts", text, paths)).toBe(true);
  });
});

describe("packages with a build for import and one for require", () => {
  // Its build for import is for bundlers: Node imports no folders.
  const dual = {
    "node_modules/dual/package.json": '{"exports":{"import":"./esm/index.js","require":"./cjs.js"}}',
    "node_modules/dual/esm/package.json": '{"type":"module"}',
    "node_modules/dual/esm/index.js": "export * from './inner';",
    "node_modules/dual/esm/inner/index.js": "export const build = 'import';",
    "node_modules/dual/cjs.js": "exports.build = 'require';",
  };
  const text = 'import { build } from "dual"; export const seen = build;';

  test.each(["001_a.ts", "001_a.cts"])(
    "TypeScript in a CommonJS project gets the build for require (%s)",
    async (name) => {
      expect(await seen(name, text, dual)).toBe("require");
    },
  );

  test.each([
    ["001_a.mts", {}],
    ["001_a.mjs", {}],
    ["001_a.ts", { "package.json": '{"type":"module"}' }],
  ])("an ES module gets the build for import, as in Node (%s)", async (name, more) => {
    expect(await seen(name, text, { ...dual, ...more })).toBe("import");
  });
});

describe("a module's own location", () => {
  const read = "fs.readFileSync(path.join(__dirname, 'sql/x.sql'), 'utf8')";
  test.each([
    ["001_a.ts", `import fs from "fs"; import path from "path"; export const seen = ${read};`],
    ["001_a.cjs", `const fs = require("fs"); const path = require("path"); exports.seen = ${read};`],
    [
      "001_a.mjs",
      'import fs from "fs"; export const seen = fs.readFileSync(new URL("sql/x.sql", import.meta.url), "utf8");',
    ],
    [
      "001_a.ts",
      'import fs from "fs"; export const seen = fs.readFileSync(import.meta.dirname + "/sql/x.sql", "utf8");',
    ],
    [
      "001_a.ts",
      'import fs from "fs"; export const seen = fs.readFileSync(new URL(import.meta.resolve("./sql/x.sql")), "utf8");',
    ],
    [
      "001_a.ts",
      `import fs from "fs"; import path from "path"; import { fileURLToPath } from "url";
      const __filename = fileURLToPath(import.meta.url); const __dirname = path.dirname(__filename);
      export const seen = ${read};`,
    ],
  ])("%s reads a file beside it: %s", async (fileName, text) => {
    expect(await seen(fileName, text)).toBe("SELECT 1");
  });

  test("each helper sees its own location, in folders with spaces and odd names too", async () => {
    const project = make({
      ...PROJECT,
      "migrations/a b#c?/x.ts": "export const at = [import.meta.filename, import.meta.url];",
    });
    project.write({
      "migrations/001_a.ts": 'import { at } from "./a b#c?/x.ts"; export const seen = [...at, __filename];',
    });
    const [loaded] = (await loadAll(project)).values();
    const helper = join(project.dir, "a b#c?/x.ts");
    expect(exportOf(loaded, "seen")).toEqual([
      helper,
      pathToFileURL(helper).href,
      join(project.dir, "001_a.ts"),
    ]);
  });

  test("createRequire resolves from the module's own location", async () => {
    const text = `import { createRequire } from "node:module";
      const require = createRequire(import.meta.url);
      export const seen = require("../helpers/j.json");`;
    expect(await seen("001_a.mjs", text)).toEqual({ j: 1 });
  });

  test("a linked file imports relative to its real location", async () => {
    const project = make({
      ...PROJECT,
      "elsewhere/a.ts": 'import { h } from "../helpers/h"; export const seen = h;',
    });
    symlinkSync(join(project.root, "elsewhere/a.ts"), join(project.dir, "001_a.ts"));
    expect(exportOf((await loadAll(project)).get("001_a"), "seen")).toBe("h");
  });
});

describe("exports of migrations", () => {
  const all = { up: expect.any(Function), down: expect.any(Function), shorthands: { id: "serial" } };
  const parts = "up() {}, down() {}, shorthands: { id: 'serial' }";
  test.each([
    ["001_a.mjs", `export default { ${parts} };`],
    ["001_a.cjs", `module.exports = { ${parts} };`],
    ["001_a.cjs", `exports.__esModule = true; exports.default = { ${parts} };`],
    ["001_a.cts", `export = { ${parts} };`],
    [
      "001_a.ts",
      "export default class { static up() {} static down() {} static shorthands = { id: 'serial' } }",
    ],
    [
      "001_a.ts",
      "class M { up() {} down() {} get shorthands() { return { id: 'serial' }; } } export default new M();",
    ],
    ["001_a.ts", "export const up = () => {}; export default { down() {}, shorthands: { id: 'serial' } };"],
  ])("the exports of %s are complete: %s", async (fileName, text) => {
    const [loaded] = (await loadAll(make({ [`migrations/${fileName}`]: text }))).values();
    for (const [key, value] of Object.entries(all)) expect(exportOf(loaded, key)).toEqual(value);
  });

  test("a missing export is undefined, and false stays false", async () => {
    const [loaded] = (
      await loadAll(make({ "migrations/001_a.ts": "export const up = 1, down = false;" }))
    ).values();
    expect(loaded).toMatchObject({ exports: { up: 1, down: false } });
    expect(exportOf(loaded, "shorthands")).toBeUndefined();
  });
});
