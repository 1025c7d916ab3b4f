import { expect, test } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { projects } from "./folders.ts";

const make = projects();

test("shorthandNames lists migrations that may export shorthands, and no helpers", async () => {
  const { dir, cacheDir } = make({
    "migrations/001_a.ts": "export const shorthands = { id: 'serial' };",
    "migrations/002_b.ts": "export const shorthands: ColumnDefinitions | undefined = undefined;",
    "migrations/003_c.sql": "-- shorthands\nSELECT shorthands;",
    "migrations/004_d.cjs": "module.exports = require('./base.cjs');",
  });
  for (let round = 0; round < 2; round += 1) {
    const folder = await openFolder(dir, { cacheDir });
    expect(await folder.shorthandNames()).toEqual(["001_a", "004_d"]);
  }
});
