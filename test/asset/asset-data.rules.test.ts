import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { BuiltAsset } from "../../lib/asset/index.ts";
import { type Files, projects } from "../folder/folders.ts";
import { assetOf, BUILT_HANDLERS, evaluate, refusalOf } from "./assets.ts";

const make = projects();

const READING = `import fs from "fs"; import path from "path";
export const seen = fs.readFileSync(path.join(__dirname, "sql/x.sql"), "utf8");`;
const DATA: Files = { ...BUILT_HANDLERS, "migrations/sql/x.sql": "SELECT 1" };

/** Paths below `migrations/files` of an asset. */
function copied({ dir }: BuiltAsset): string[] {
  const root = join(dir, "migrations/files");
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
    .toSorted();
}

describe("migrations that read files", () => {
  const seen = `print((await migrations.get("001_a")()).seen);`;
  test.each([
    ["001_a.ts", READING],
    [
      "001_a.cjs",
      'exports.seen = require("fs").readFileSync(require("path").join(__dirname, "sql", "x.sql"), "utf8");',
    ],
    [
      "001_a.cjs",
      'exports.seen = require("fs").readFileSync(require("path").join(__filename, "../sql/x.sql"), "utf8");',
    ],
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
      'import fs from "fs"; export const seen = fs.readFileSync(import.meta.filename.replace("001_a.ts", "sql/x.sql"), "utf8");',
    ],
    [
      "001_a.ts",
      'import fs from "fs"; export const seen = fs.readFileSync(new URL(import.meta.resolve("./sql/x.sql")), "utf8");',
    ],
    [
      "001_a.ts",
      `import fs from "fs"; import path from "path"; import { fileURLToPath } from "url";
      const __filename = fileURLToPath(import.meta.url); const __dirname = path.dirname(__filename);
      export const seen = fs.readFileSync(path.join(__dirname, "sql/x.sql"), "utf8");`,
    ],
    ["001_a.ts", 'import { read } from "./lib/read.ts"; export const seen = read();'],
  ])("%s finds its files: %s", (fileName, text) => {
    const project = make({
      ...DATA,
      [`migrations/${fileName}`]: text,
      "migrations/lib/read.ts":
        'import fs from "fs"; export const read = () => fs.readFileSync(new URL("../sql/x.sql", import.meta.url), "utf8");',
    });
    expect(evaluate(assetOf(project), project, seen)).toBe("SELECT 1");
  });

  test("migrations find their files in a second copy, and under names that URLs encode", () => {
    const project = make({
      ...DATA,
      "migrations/001_a.ts": 'export { at } from "./a b#c?/%20é/x.ts";',
      "migrations/a b#c?/%20é/x.ts":
        'import fs from "fs"; export const at = fs.readFileSync(new URL("./y.txt", import.meta.url), "utf8") + __dirname.slice(-12);',
      "migrations/a b#c?/%20é/y.txt": "y",
    });
    const body = `const again = (await import("./migrations/modules.mjs?copy=1")).migrations;
      print([(await migrations.get("001_a")()).at, (await again.get("001_a")()).at]);`;
    expect(evaluate(assetOf(project), project, body)).toEqual(["y/a b#c?/%20é", "y/a b#c?/%20é"]);
  });
});

describe("copied files", () => {
  test("everything in the folder except migrations and junk is copied", () => {
    const asset = assetOf(
      make({
        ...DATA,
        "migrations/001_a.ts": READING,
        "migrations/002_b.sql": "",
        "migrations/notes.md": "",
        "migrations/003_c.json": "{}",
        "migrations/.hidden/x": "",
        "migrations/sql/.x.swp": "",
        "migrations/sql/y.sql~": "",
        "migrations/sql/Thumbs.db": "",
        "migrations/sql/002_b.sql": "",
        "migrations/node_modules/p/index.js": "",
      }),
      { ignorePattern: "004_.*" },
    );
    expect(copied(asset)).toEqual(["003_c.json", "notes.md", "sql/002_b.sql", "sql/x.sql"]);
  });

  test("files that the pattern ignores are copied, because a module may read them", () => {
    const files = { ...BUILT_HANDLERS, "migrations/001_a.ts": READING, "migrations/001_a.up.sql": "" };
    expect(copied(assetOf(make(files), { ignorePattern: ".*\\.sql" }))).toEqual(["001_a.up.sql"]);
  });

  test("nothing is copied if no migration uses its own location", () => {
    const asset = assetOf(
      make({ ...DATA, "migrations/001_a.ts": 'import "./sql/x.sql"; export const up = 1;' }),
    );
    expect(readdirSync(join(asset.dir, "migrations"))).not.toContain("files");
  });

  test("targets of links are copied, except circles", () => {
    const project = make({ ...DATA, "migrations/001_a.ts": READING, "outside/o.txt": "o" });
    symlinkSync(join(project.root, "outside"), join(project.dir, "linked"));
    symlinkSync(join(project.root, "outside/o.txt"), join(project.dir, "o.txt"));
    mkdirSync(join(project.dir, "deep"));
    symlinkSync(project.dir, join(project.dir, "deep/up"));
    expect(copied(assetOf(project))).toEqual(["linked/o.txt", "o.txt", "sql/x.sql"]);
  });

  test("a broken link is refused", () => {
    const project = make({ ...DATA, "migrations/001_a.ts": READING });
    symlinkSync(join(project.root, "gone"), join(project.dir, "sql/gone.sql"));
    expect(refusalOf(project)).toMatchObject({
      code: "MIGRATION",
      details: { problems: [{ file: join(project.dir, "sql/gone.sql") }] },
    });
  });
});

describe("hashes of copied files", () => {
  const files = { ...DATA, "migrations/001_a.ts": READING };

  test("a changed and a new copied file change both hashes", () => {
    const project = make(files);
    const before = assetOf(project);
    project.write({ "migrations/sql/x.sql": "SELECT 2" });
    const changed = assetOf(project);
    project.write({ "migrations/sql/y.sql": "" });
    const assets = [before, changed, assetOf(project)];
    expect(new Set(assets.map(({ hash }) => hash)).size).toBe(3);
    expect(new Set(assets.map(({ manifest }) => manifest.hash)).size).toBe(3);
    // Of the two, the migration names the first: what it reads is part of its digest.
    const digests = assets.map(({ manifest }) => manifest.migrations[0]?.digest);
    expect([digests[0] === digests[1], digests[1] === digests[2]]).toEqual([false, true]);
  });

  test("line endings of copied texts do not count; other bytes are unchanged", () => {
    const bytes = Buffer.from([0, 13, 10, 255, 13, 10]);
    const assets = ["a\nb\n", "a\r\nb\r\n"].map((text) => {
      const project = make({ ...files, "migrations/sql/x.sql": text });
      writeFileSync(join(project.dir, "sql/image"), bytes);
      return assetOf(project);
    });
    const [first, second] = assets;
    expect([second?.hash, second?.manifest.hash]).toEqual([first?.hash, first?.manifest.hash]);
    for (const { dir } of assets) {
      expect(readFileSync(join(dir, "migrations/files/sql/x.sql"), "utf8")).toBe("a\nb\n");
      expect(readFileSync(join(dir, "migrations/files/sql/image"))).toEqual(bytes);
    }
  });
});
