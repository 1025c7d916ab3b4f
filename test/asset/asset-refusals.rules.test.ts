import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { type Files, projects } from "../folder/folders.ts";
import { assetOf, BUILT_HANDLERS, refusalOf } from "./assets.ts";

const make = projects();

const PACKAGES: Files = {
  "node_modules/native/index.js": "\nmodule.exports = require('./build/x.node');",
  "node_modules/native/build/x.node": "\0",
  "node_modules/places/index.js": "// __dirname\nexports.at = require('path').join(__dirname, 'data');",
  "node_modules/talks/index.js": "/* reads __dirname */ exports.text = '__dirname';",
};

/** What is wrong with one migration. */
function problemOf(text: string, more: Files = {}) {
  const project = make({ ...BUILT_HANDLERS, ...PACKAGES, "migrations/001_a.ts": text, ...more });
  const refusal = refusalOf(project);
  expect(refusal.code).toBe("MIGRATION");
  const [problem] = refusal.details.problems ?? [];
  const file = problem?.file.replace(`${project.root}/`, "");
  return { ...problem, file, whole: refusal.message };
}

describe("code that could not run in the asset", () => {
  test("a package that is not installed is reported with the command that installs it", () => {
    const problem = problemOf('export const up = 1;\nimport "@scope/none/part";');
    expect(problem).toMatchObject({
      file: "migrations/001_a.ts",
      line: 2,
      column: 8,
      message: expect.stringMatching(/Could not resolve "@scope\/none\/part"/),
      hint: expect.stringMatching(/npm install @scope\/none\)/),
    });
    expect(problem.whole).toMatch(/001_a\.ts:2:8: .*npm install/);
  });

  test("an import of a missing local file is refused", () => {
    expect(problemOf('import "./none.ts";')).toMatchObject({
      line: 1,
      message: expect.stringMatching(/none\.ts/),
    });
  });

  test.each(["node", "wasm"])("a .%s file of the project is refused", (extension) => {
    const more = { [`migrations/lib/x.${extension}`]: "\0" };
    expect(problemOf(`\nimport x from "./lib/x.${extension}"; export const up = x;`, more)).toMatchObject({
      file: "migrations/001_a.ts",
      line: 2,
      message: expect.stringMatching(/one kind of machine.*plain JavaScript/),
    });
  });

  test("a missing import of a package is refused", () => {
    const more = { "node_modules/half/index.mjs": "import 'other';" };
    expect(problemOf('import "half/index.mjs";', more)).toMatchObject({
      file: "node_modules/half/index.mjs",
      line: 1,
      hint: expect.stringMatching(/npm install other\)/),
    });
  });

  test("a native package is refused", () => {
    expect(problemOf('import x from "native"; export const up = x;')).toMatchObject({
      file: "node_modules/native/index.js",
      line: 2,
      message: expect.stringMatching(/imported by .*migrations\/001_a\.ts/),
      hint: expect.stringMatching(/plain JavaScript/),
    });
  });

  test("a package that uses its own location is refused", () => {
    expect(problemOf('import { at } from "places"; export const up = at;')).toMatchObject({
      file: "node_modules/places/index.js",
      line: 2,
      message: expect.stringMatching(/its own location \(__dirname\).*another package/),
    });
  });

  test.each(["__dirname", "__filename", "import.meta.url", "import.meta.dirname"])(
    "a helper outside the folder that asks for %s",
    (what) => {
      const more = { "shared/h.ts": `// ${what}\nexport const h: string =\n  ${what};` };
      expect(problemOf('import { h } from "../shared/h.ts"; export const up = h;', more)).toMatchObject({
        file: "shared/h.ts",
        line: 3,
        column: 3,
        message: expect.stringMatching(/uses its own location .*move the file, and what it reads, below/),
      });
    },
  );

  test("an import by an absolute file URL is refused", () => {
    const url = pathToFileURL("/x.ts").href;
    expect(problemOf(`import ${JSON.stringify(url)};`)).toMatchObject({
      line: 1,
      message: expect.stringMatching(/relative path/),
    });
  });

  test("all files that do not compile are reported at once", () => {
    const problem = problemOf("const = 1;", { "migrations/002_b.ts": "export const = 2;" });
    expect(problem.whole).toMatch(/001_a\.ts:1:7: .*\n.*002_b\.ts:1:14: /);
  });

  test("names that two migrations would share are refused", () => {
    expect(problemOf("", { "migrations/001_a.sql": "" }).whole).toMatch(/001_a\.sql, 001_a\.ts/);
  });
});

test("words in comments and strings are not refused", () => {
  const project = make({
    ...BUILT_HANDLERS,
    ...PACKAGES,
    "migrations/001_a.ts": 'import "../shared/h.ts"; import { text } from "talks"; export const up = text;',
    "shared/h.ts": "// __dirname\nexport const h = 'import.meta.url' /* __filename */;",
  });
  expect(assetOf(project).manifest.migrations).toHaveLength(1);
});

describe("missing handlers are named", () => {
  test.each(["on-status.mjs", "node-pg-migrate.mjs"])("a missing %s is named", (file) => {
    const project = make({ ...BUILT_HANDLERS, "migrations/1_a.sql": "" });
    rmSync(join(project.root, "handlers", file));
    const { code, message, details } = refusalOf(project);
    expect([code, `${message} ${details.hint}`]).toEqual(["ASSET", expect.stringMatching(/handlers/)]);
    expect(`${message} ${details.hint}`).toContain(file.replace(".mjs", ""));
  });
});
