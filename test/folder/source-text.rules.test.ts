import { describe, expect, test } from "@jest/globals";
import { mayExportShorthands, mayImportLocalFiles, normalizeLines } from "../../lib/folder/source-text.ts";

describe("a module certainly imports no local file", () => {
  test.each([
    "export const up = () => {};",
    'import type { A } from "./types";',
    'import type { MigrationBuilder } from "node-pg-migrate";\nimport fs from "node:fs";',
    'import { PgLiteral } from "node-pg-migrate";',
    "const fs = require('fs');",
    "export { up, down };",
    "console.log(import.meta.url);",
    "/** @type {import('./types')} */\nexport const up = 1;",
    "// import './x'\nexport const up = 1;",
  ])("%j imports no local file", (text) => {
    expect(mayImportLocalFiles(text)).toBe(false);
  });
});

describe("a module may import a local file", () => {
  test.each([
    "import './x';",
    "import x from './x'",
    "import\n  { x }\nfrom\n  './x'",
    "import type from './x'",
    "import { type A } from './x'",
    "import { a } from /* where */ './x'",
    "import fs from 'fs'\nimport x from './x'",
    "import type { A } from './a'; import { b } from './b'",
    "export { up } from './x'",
    "export * from './x'",
    "require('./x')",
    "await import(name)",
    "await import(`./x`)",
    "import x = require('./x')",
    "import x from '#x'",
    "import x from 'some-package'",
  ])("%j may import a local file", (text) => {
    expect(mayImportLocalFiles(text)).toBe(true);
  });
});

describe("a module certainly exports no shorthands", () => {
  test.each([
    "export const shorthands: ColumnDefinitions | undefined = undefined;",
    "export const shorthands = undefined\nexport const up = 1",
    "exports.shorthands = undefined",
    "exports.shorthands = undefined;\nexports.up = () => {};",
    "export const up = 1;",
    "export default { up, down };",
    "module.exports = { up() {}, down };",
    "module.exports = { up };",
    "// shorthands\nexport const up = 1;",
    "/**\n * export const shorthands = {}\n */\nexport const up = 1;",
  ])("%j exports no shorthands", (text) => {
    expect(mayExportShorthands(text)).toBe(false);
  });
});

describe("a module may export shorthands", () => {
  test.each([
    "export const shorthands = { id: 'serial' };",
    "export let shorthands; shorthands = {};",
    "export function shorthands() {}",
    "export const shorthands = undefined ?? {};",
    "const own = {}; export { own as shorthands };",
    "exports.shorthands = {};",
    "exports['shorthands'] = {};",
    "module.exports = { up, shorthands: {} };",
    "module.exports = { up, ...base };",
    "module.exports = require('./x');",
    "export default { shorthands: {} };",
    "export default make();",
    "export default migration;",
    "export * from './x';",
    "export = migration;",
    "const link = 'https://x'; export const shorthands = {};",
  ])("%j may export shorthands", (text) => {
    expect(mayExportShorthands(text)).toBe(true);
  });
});

test.each([
  ["a\nb", "a\nb"],
  ["a\r\nb\r\n", "a\nb\n"],
  ["a\rb", "a\nb"],
  ["\u00ef\u00bb\u00bfa", "a"],
])("the lines of %j are %j", (text, lines) => {
  expect(normalizeLines(text)).toBe(lines);
});

test("the bytes of a byte order mark in latin1 are ordinary characters in UTF-8", () => {
  expect(normalizeLines("\ufeffa\r\n", "utf8")).toBe("a\n");
  expect(normalizeLines("\u00ef\u00bb\u00bfa", "utf8")).toBe("\u00ef\u00bb\u00bfa");
});
