import { describe, expect, test } from "@jest/globals";
import { type ContractDeclaration, contractTargets, MigrationError } from "../../lib/core/index.ts";
import { openFolder } from "../../lib/folder/index.ts";
import { type Files, projects } from "./folders.ts";

const make = projects();

/** Files, and the migration that 2_b waits for; undefined for no contract. */
const DECLARED: readonly (readonly [files: Files, after: string | undefined])[] = [
  [{ "2_b.sql": "-- migrate: contract after 1_a\nSELECT 1;" }, "1_a"],
  [{ "2_b.sql": "\uFEFF--migrate:  Contract  After 1_a \r\nSELECT 1;" }, "1_a"],
  [
    { "2_b.sql": "/* licence\n */\n\n-- why\n-- Up Migration\n-- migrate: contract after 1_a\nSELECT 1;" },
    "1_a",
  ],
  [{ "2_b.sql": "-- migrate: no-transaction\n-- migrate: contract after 1_a\nSELECT 1;" }, "1_a"],
  [{ "2_b.sql": "-- the contract after 1_a comes later\nSELECT 'contract after 1_a';" }, undefined],
  [{ "2_b.up.sql": "-- migrate: contract after 1_a\nSELECT 1;", "2_b.down.sql": "SELECT 2;" }, "1_a"],
  [{ "2_b.ts": 'export const contractAfter = "1_a";' }, "1_a"],
  [{ "2_b.ts": "export const contractAfter: string = '1_a';\nexport const up = 1;" }, "1_a"],
  [{ "2_b.cjs": "exports.contractAfter = '1_a';" }, "1_a"],
  [{ "2_b.cjs": "module.exports = { contractAfter: '1_a', up: 1 };" }, "1_a"],
  [{ "2_b.ts": '// export const contractAfter = "1_a";\nexport const up = 1;' }, undefined],
];

/** Files whose declaration is refused, and why. */
const REFUSED: readonly (readonly [files: Files, words: RegExp])[] = [
  [{ "2_b.sql": "SELECT 1;\n-- migrate: contract after 1_a" }, /^2_b\.sql:2 .*not above the first statement/],
  [{ "2_b.sql": "-- Down Migration\n-- migrate: contract after 1_a\nB;" }, /^2_b\.sql:2 .*not above/],
  [{ "2_b.sql": "/*\n-- migrate: contract after 1_a\n*/\nSELECT 1;" }, /^2_b\.sql:2 .*not above/],
  [{ "2_b.sql": "-- migrate: contract\nSELECT 1;" }, /^2_b\.sql:1 has "-- migrate: contract", which is not/],
  [{ "2_b.sql": "-- migrate: contract-after 1_a\nSELECT 1;" }, /not understood/],
  [{ "2_b.sql": "-- migrate: contract after\nSELECT 1;" }, /not understood/],
  [
    { "2_b.sql": "-- migrate: contract after 1_a\n-- migrate: contract after 1_a\nA;" },
    /^2_b\.sql:2 is its second contract; the first is in line 1/,
  ],
  [
    { "2_b.up.sql": "SELECT 1;", "2_b.down.sql": "-- migrate: contract after 1_a\nSELECT 2;" },
    /^2_b\.sql is a pair whose contract is in its down file/,
  ],
  [
    { "2_b.ts": "export const contractAfter = '1_' + 'a';" },
    /^2_b\.ts has a contractAfter that is not the text/,
  ],
  [{ "2_b.ts": 'export { contractAfter } from "./x.ts";' }, /not the text of a name/],
  [{ "2_b.sql": "-- migrate: contract after 2_b\nA;" }, /^2_b\.sql is a contract after itself/],
  [{ "2_b.sql": "-- migrate: contract after 3_c\nA;" }, /^2_b\.sql .* after 3_c, which comes later/],
  [
    { "2_b.sql": "-- migrate: contract after 1_x\nA;" },
    /^2_b\.sql .* after "1_x", which is no migration here/,
  ],
];

const OTHERS: Files = { "1_a.sql": "SELECT 1;", "3_c.sql": "SELECT 3;" };

async function targetOf(files: Files): Promise<string | undefined> {
  const all = Object.entries({ ...OTHERS, ...files }).map(([name, text]) => [`migrations/${name}`, text]);
  const { dir, cacheDir } = make(Object.fromEntries(all));
  // The second folder finds the answer in the cache.
  const first = await openFolder(dir, { cacheDir }).then((folder) => folder.contracts());
  const folder = await openFolder(dir, { cacheDir });
  const declared = await folder.contracts();
  expect(declared).toEqual(first);
  return contractTargets(folder.entries, declared, new Set()).get("2_b");
}

describe("contracts of a folder", () => {
  test.each(DECLARED)("the contract in %j waits for %s", async (files, after) => {
    expect(await targetOf(files)).toBe(after);
  });

  test.each(REFUSED)("the contract in %j is refused", async (files, words) => {
    const error = await targetOf(files).catch((thrown: unknown) => thrown);
    if (!(error instanceof MigrationError)) throw new Error("it was not refused", { cause: error });
    expect([error.code, error.details.migration]).toEqual(["MIGRATION", "2_b"]);
    expect(error.message).toMatch(words);
    expect(error.details.hint).toBeDefined();
  });

  test("two contracts that wait for each other are refused, and a replaced name is accepted", () => {
    const entries = ["1_a", "2_b"].map((name) => ({ name, fileName: `${name}.sql` }));
    const both: ReadonlyMap<string, ContractDeclaration> = new Map([
      ["1_a", { after: "2_b" }],
      ["2_b", { after: "1_a" }],
    ]);
    expect(() => contractTargets(entries, both, new Set())).toThrow(/2_b, which comes later/);
    const old: ReadonlyMap<string, ContractDeclaration> = new Map([["2_b", { after: "0_old" }]]);
    expect(contractTargets(entries, old, new Set(["0_old"]))).toEqual(new Map([["2_b", "0_old"]]));
  });
});
