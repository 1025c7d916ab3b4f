import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { digestOf } from "./digesting.ts";
import { projects } from "./folders.ts";

const make = projects();

describe("imports in digests", () => {
  const helper = "export const h = 1;";
  test.each([
    ["package imports", 'import "#h";', { "package.json": '{"imports":{"#h":"./h.ts"}}' }],
    ["tsconfig paths", 'import "@/h";', { "tsconfig.json": '{"compilerOptions":{"paths":{"@/*":["./*"]}}}' }],
    ["dynamic imports", 'const h = await import("../h.ts");', {}],
    ["require", 'require("../h");', {}],
    ["re-exports", 'export * from "../h";', {}],
  ])("local imports through %s count in the digest", async (_what, text, more) => {
    const project = make({ "migrations/001_a.ts": `${text}\nexport const up = 1;`, "h.ts": helper, ...more });
    const before = await digestOf(project);
    project.write({ "h.ts": `${helper}\n\n` });
    expect(await digestOf(project)).not.toBe(before);
  });

  test.each([
    ["types alone", 'import type { H } from "../h.ts";'],
    ["names used as types alone", 'import { H } from "../h.ts"; export const x: H = 1;'],
    ["packages", 'import "h";'],
  ])("imports of %s do not count in the digest", async (_what, text) => {
    const project = make({
      "migrations/001_a.ts": text,
      "h.ts": "export type H = number;",
      "node_modules/h/index.js": "",
    });
    const before = await digestOf(project);
    project.write({ "h.ts": "", "node_modules/h/index.js": "changed()" });
    expect(await digestOf(project)).toBe(before);
  });

  test("a workspace linked into node_modules counts in the digest", async () => {
    const project = make({
      "migrations/001_a.ts": 'import "h"; export const up = 1;',
      "packages/h/index.ts": helper,
    });
    mkdirSync(join(project.root, "node_modules"));
    symlinkSync(join(project.root, "packages/h"), join(project.root, "node_modules/h"));
    project.write({ "packages/h/package.json": '{"main":"index.ts"}' });
    const before = await digestOf(project);
    project.write({ "packages/h/index.ts": `${helper}\n\n` });
    expect(await digestOf(project)).not.toBe(before);
  });
});
