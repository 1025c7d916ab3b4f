import { readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { projects } from "./folders.ts";
import { exportOf, loadAll, PROJECT } from "./loading.ts";

const make = projects();

test("SQL is read unchanged except for a byte order mark, with absolute paths", async () => {
  const project = make({
    "migrations/001_a.sql": "\ufeff-- Up Migration\r\nSELECT 1",
    "migrations/002_b.up.sql": "up",
    "migrations/002_b.down.sql": "down",
    "migrations/003_c.up.sql": "up",
  });
  const path = (name: string) => join(project.dir, name);
  expect(Object.fromEntries(await loadAll(project))).toEqual({
    "001_a": { kind: "sql", file: { path: path("001_a.sql"), text: "-- Up Migration\r\nSELECT 1" } },
    "002_b": {
      kind: "pair",
      up: { path: path("002_b.up.sql"), text: "up" },
      down: { path: path("002_b.down.sql"), text: "down" },
    },
    "003_c": { kind: "pair", up: { path: path("003_c.up.sql"), text: "up" } },
  });
});

describe("loading again", () => {
  const STATEFUL =
    'import { state } from "../helpers/h.ts"; export const seen = ++state.uses; export const own = {};';

  test("helpers are shared within a load and evaluated again in a reload", async () => {
    const project = make({ ...PROJECT, "migrations/001_a.ts": STATEFUL, "migrations/002_b.ts": STATEFUL });
    const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
    const loaded = await folder.load(["001_a", "002_b"]);
    expect([exportOf(loaded.get("001_a"), "seen"), exportOf(loaded.get("002_b"), "seen")]).toEqual([1, 2]);
    const again = [await folder.reload("001_a"), await folder.reload("001_a")];
    expect(again.map((copy) => exportOf(copy, "seen"))).toEqual([1, 1]);
    const owns = [loaded.get("001_a"), ...again].map((copy) => exportOf(copy, "own"));
    expect(new Set(owns).size).toBe(3);
  });

  test("a migration can be reloaded without a load before", async () => {
    const project = make({ "migrations/001_a.ts": "export const seen = 1;" });
    const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
    expect(exportOf(await folder.reload("001_a"), "seen")).toBe(1);
  });

  test("the next load sees a changed file and a changed helper", async () => {
    const project = make({
      ...PROJECT,
      "migrations/001_a.ts": 'import { h } from "../helpers/h.ts"; export const seen = h;',
    });
    const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
    await folder.load(["001_a"]);
    project.write({ "helpers/h.ts": "export const h = 'new';" });
    expect(exportOf((await folder.load(["001_a"])).get("001_a"), "seen")).toBe("new");
  });

  test("the same compiled code is stored once", async () => {
    const project = make({ "migrations/001_a.ts": "export const seen = 1;" });
    for (let round = 0; round < 3; round += 1) await loadAll(project);
    expect(readdirSync(join(project.cacheDir, "compiled"))).toHaveLength(1);
  });

  test("compiled code that was not used for long is removed", async () => {
    const project = make({ "migrations/001_a.ts": "export const seen = 1;" });
    project.write({ "cache/compiled/old.mjs": "", "cache/compiled/x.mjs.1.tmp": "" });
    writeFileSync(join(project.cacheDir, "compiled/recent.mjs"), "");
    await loadAll(project);
    const kept = readdirSync(join(project.cacheDir, "compiled"));
    expect(kept).toHaveLength(2);
    expect(kept).toContain("recent.mjs");
  });
});

describe("failing loads", () => {
  test("all files that do not compile are reported at once, with line and column", async () => {
    const project = make({
      "migrations/001_a.ts": "export const up = () => {\n  const = 1;\n};",
      "migrations/002_b.ts": "import './none.ts';\nexport const up = 1;",
      "migrations/003_c.ts": "export const up = 1;",
    });
    await expect(loadAll(project)).rejects.toMatchObject({
      name: "MigrationError",
      code: "MIGRATION",
      message: expect.stringMatching(
        /001_a\.ts:2:9: Expected identifier but found "="\n.*002_b\.ts:1:8: Could not resolve ".\/none\.ts"/,
      ),
      details: {
        problems: [
          { file: join(project.dir, "001_a.ts"), line: 2, column: 9 },
          { file: join(project.dir, "002_b.ts"), line: 1, column: 8 },
        ],
      },
    });
  });

  test("a file that throws is reported by name, with the cause", async () => {
    const project = make({
      "migrations/001_a.ts": "export const up = 1;",
      "migrations/002_b.ts": "throw new RangeError('at import');",
    });
    await expect(loadAll(project)).rejects.toMatchObject({
      code: "MIGRATION",
      message: expect.stringMatching(/002_b\.ts throws when it is loaded: at import$/),
      cause: expect.objectContaining({ name: "RangeError", message: "at import" }),
    });
  });

  test("an import of an unsupported kind of file fails", async () => {
    const project = make({
      "migrations/001_a.ts": 'import x from "./x.css"; export const up = x;',
      "migrations/x.css": "",
    });
    await expect(loadAll(project)).rejects.toMatchObject({
      message: expect.stringMatching(/extension "\.css"/),
    });
  });

  test("a load fails where compiled code cannot be written", async () => {
    const project = make({ "migrations/001_a.ts": "export const up = 1;", plain: "" });
    const folder = await openFolder(project.dir, { cacheDir: join(project.root, "plain") });
    await expect(folder.load(["001_a"])).rejects.toMatchObject({
      code: "FILE_SYSTEM",
      details: { hint: expect.any(String) },
    });
  });

  test("a load of a broken link fails", async () => {
    const project = make({});
    symlinkSync(join(project.root, "gone"), join(project.dir, "001_a.ts"));
    symlinkSync(join(project.root, "gone"), join(project.dir, "002_b.sql"));
    const folder = await openFolder(project.dir, { cacheDir: project.cacheDir });
    await expect(folder.load(["001_a"])).rejects.toMatchObject({
      code: "MIGRATION",
      message: expect.stringMatching(/001_a\.ts/),
    });
    await expect(folder.load(["002_b"])).rejects.toMatchObject({
      code: "MIGRATION",
      message: expect.stringMatching(/002_b\.sql/),
    });
  });
});
