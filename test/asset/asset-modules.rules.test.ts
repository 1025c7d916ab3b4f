import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { projects } from "../folder/folders.ts";
import { assetOf, BUILT_HANDLERS, evaluate } from "./assets.ts";

const make = projects();

const PACKAGES = {
  "node_modules/old/index.js":
    "const all = {}; for (const k of ['x', 'y']) all[k] = k; module.exports = all; require('inner');",
  "node_modules/inner/package.json": '{"main":"lib.js"}',
  "node_modules/inner/lib.js":
    "try { require('pg-native'); } catch (error) { exports.code = error.code; } try { require('none'); } catch {}" +
    "exports.lazy = () => require('optional'); exports.esm = require('esm').x;",
  "node_modules/babel/index.js": "exports.__esModule = true; exports.default = 'd'; exports.x = 'x';",
  "node_modules/esm/package.json": '{"type":"module","exports":{"import":"./i.js"}}',
  "node_modules/esm/i.js":
    "import b from 'babel'; export const x = 'x'; export const inNode = b.default; export default 'd';",
  "node_modules/mjs/index.mjs": "export const x = 'x';",
  "node_modules/native-for-some/index.js": "export const url = import.meta.url; export const x = 1;",
  "node_modules/native-for-some/package.json": '{"type":"module","sideEffects":false,"main":"all.js"}',
  "node_modules/native-for-some/all.js": "export { url } from './index.js'; export const plain = 'plain';",
  "node_modules/neighbours/lib/index.js": `const path = require('path'); exports.seen = [require(__dirname + '/a.js'), require(__dirname+"/sub/b"),
      require(path.join(__dirname, 'c.json')).c, require(\`\${__dirname}/../d.js\`)];`,
  "node_modules/neighbours/package.json": '{"main":"lib/index.js"}',
  "node_modules/neighbours/lib/a.js": "module.exports = 'a';",
  "node_modules/neighbours/lib/sub/b.js": "module.exports = 'b';",
  "node_modules/neighbours/lib/c.json": '{"c":"c"}',
  "node_modules/neighbours/d.js": "module.exports = 'd';",
  "node_modules/dual/package.json": '{"exports":{"import":"./esm/index.js","require":"./cjs.js"}}',
  "node_modules/dual/esm/package.json": '{"type":"module"}',
  "node_modules/dual/esm/index.js": "export const build = 'import';",
  "node_modules/dual/cjs.js": "exports.build = 'require';",
  "node_modules/own-require/index.mjs":
    "import { createRequire } from 'node:module'; const r = createRequire(import.meta.url); export const path = r('node:path').sep;",
};

describe("compiled migrations without their project", () => {
  const FILES = {
    ...BUILT_HANDLERS,
    ...PACKAGES,
    "migrations/001_enum.ts":
      'import { h } from "./lib/h"; enum Kind { A = "a" } export const seen: string[] = [Kind.A, h()];',
    "migrations/lib/h.ts": "export const h = (): string => 'h';",
    "migrations/002_cjs.js":
      'exports.seen = [require("./lib/h").h(), require("old").y]; exports.up = () => {};',
    "migrations/003_mixed.cjs": "export const shorthands = undefined; module.exports = { seen: 1, up() {} };",
    "migrations/004_esm.js": "export const seen = await Promise.resolve(4);",
    "migrations/005_default.ts": "export default { up() { return this.name; }, name: 'self' };",
    "migrations/006_packages.ts":
      'import d, { x } from "babel"; import { inNode } from "esm"; import { code, lazy, esm } from "inner"; let none; try { lazy(); } catch (error) { none = error.message; } export const seen = [d, x, inNode, code, esm, none];',
    "migrations/007_required.cjs":
      'exports.seen = [require("esm").x, require("mjs/index.mjs").x, require("fs").existsSync("/")];',
    "migrations/008_used_in_part.ts":
      'import { plain } from "native-for-some"; import { path } from "own-require/index.mjs"; export const seen = [plain, path];',
    "migrations/008a_neighbours.ts": 'import { seen } from "neighbours"; export { seen };',
    "migrations/008b_dual.ts": 'import { build } from "dual"; export const seen = build;',
    "migrations/008c_dual.mts": 'import { build } from "dual"; export const seen = build;',
    "migrations/009_texts.ts":
      'import sql from "./lib/x.sql"; import json from "./lib/x.json"; export const seen = [sql, json];',
    "migrations/lib/x.sql": "SELECT 1;\r\nSELECT 2;",
    "migrations/lib/x.json": '{ "j": 1 }',
    "migrations/010_engine.ts":
      'import { PgLiteral } from "node-pg-migrate"; import type { X } from "gone"; export const seen = new PgLiteral("x");',
    "migrations/011_engine.cjs":
      'const { PgLiteral } = require("node-pg-migrate"); exports.seen = new PgLiteral("x");',
  };

  test("module formats, helpers, packages and the engine's classes work without the project", () => {
    const project = make(FILES);
    const seen = evaluate(
      assetOf(project),
      project,
      `const { PgLiteral } = await import("./node-pg-migrate.mjs");
      const seen = {};
      for (const [name, load] of migrations) seen[name] = (await load()).seen;
      seen["005_default"] = (await migrations.get("005_default")()).up();
      for (const name of ["010_engine", "011_engine"]) seen[name] = seen[name] instanceof PgLiteral;
      print(seen);`,
    );
    expect(seen).toEqual({
      "001_enum": ["a", "h"],
      "002_cjs": ["h", "y"],
      "003_mixed": 1,
      "004_esm": 4,
      "005_default": "self",
      "006_packages": ["d", "x", "d", "MODULE_NOT_FOUND", "x", "Cannot find module 'optional'"],
      "007_required": ["x", "x", true],
      "008_used_in_part": ["plain", "/"],
      "008a_neighbours": ["a", "b", "c", "d"],
      "008b_dual": "require",
      "008c_dual": "import",
      "009_texts": ["SELECT 1;\nSELECT 2;", { j: 1 }],
      "010_engine": true,
      "011_engine": true,
    });
  });

  test("compiled code contains no path of this machine or of installed packages", () => {
    const project = make(FILES);
    const code = readFileSync(join(assetOf(project).dir, "migrations/modules.mjs"), "utf8");
    expect(code).not.toContain(project.root);
    expect(code).not.toContain("node_modules");
    expect(code).not.toMatch(/\.\.\/(?!node-pg-migrate\.mjs)/);
    expect(code).not.toContain("sourceMappingURL");
  });
});

test("each migration is evaluated on demand, and helpers once", () => {
  const project = make({
    ...BUILT_HANDLERS,
    "migrations/001_a.ts": 'import { log } from "./lib/log"; log.push("a"); export const seen = log;',
    "migrations/002_b.cjs": 'const { log } = require("./lib/log"); log.push("b"); exports.seen = log;',
    "migrations/003_c.ts": "throw new RangeError('at load');",
    "migrations/lib/log.ts": "export const log: string[] = [];",
  });
  const body = `const { seen } = await migrations.get("002_b")();
    const early = [...seen];
    await migrations.get("001_a")();
    const error = await migrations.get("003_c")().catch(({ name, message }) => [name, message]);
    print({ early, late: seen, error });`;
  expect(evaluate(assetOf(project), project, body)).toEqual({
    early: ["b"],
    late: ["b", "a"],
    error: ["RangeError", "at load"],
  });
});

test("a second copy of the module is evaluated again, with the same classes of the engine", () => {
  const project = make({
    ...BUILT_HANDLERS,
    "migrations/001_a.cjs":
      'const { PgLiteral } = require("node-pg-migrate"); exports.own = {}; exports.seen = new PgLiteral("x");',
  });
  const body = `const again = (await import("./migrations/modules.mjs?copy=1")).migrations;
    const { PgLiteral } = await import("./node-pg-migrate.mjs");
    const [first, second] = [await migrations.get("001_a")(), await again.get("001_a")()];
    print([first.own === second.own, first.seen instanceof PgLiteral, second.seen instanceof PgLiteral]);`;
  expect(evaluate(assetOf(project), project, body)).toEqual([false, true, true]);
});

test("errors show functions and lines of the sources", () => {
  const project = make({
    ...BUILT_HANDLERS,
    "migrations/001_a.ts":
      "export function up(pgm: any) {\n  createUsers(pgm);\n}\nfunction createUsers(pgm: any) {\n  pgm.createTabel();\n}",
  });
  const body = `const { up } = await migrations.get("001_a")();
    try { up({}); } catch ({ stack }) { print(stack); }`;
  expect(evaluate(assetOf(project), project, body)).toMatch(
    /^TypeError: pgm\.createTabel is not a function\n {4}at createUsers \(.*modules\.mjs:\d+:7\)\n {4}at (?:\w+\.)?up /,
  );
});

test("an asset without modules has no compiled module", () => {
  const project = make({ ...BUILT_HANDLERS, "migrations/001_a.sql": "SELECT 1;" });
  expect(existsSync(join(assetOf(project).dir, "migrations/modules.mjs"))).toBe(false);
});
