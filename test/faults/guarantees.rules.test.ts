import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(REPOSITORY, "docs/guarantees.md"), "utf8");

/** "`test/….test.ts`: “name”, “name”" in a row; a name may be the part of a test's name that is written once. */
const proofs = page
  .split("\n")
  .filter((row) => row.startsWith("|"))
  .flatMap((row) =>
    [...row.matchAll(/`(test\/[\w/.-]+\.test\.ts)`:((?:\s*“[^”]+”,?)+)/g)].flatMap(
      ([, file = "", names = ""]) =>
        [...names.matchAll(/“([^”]+)”/g)].map(([, name = ""]) => ({ file, name })),
    ),
  );

describe("docs/guarantees.md", () => {
  test("has a proof in every row of its tables", () => {
    const rows = page.split("\n").filter((row) => row.startsWith("|") && !/^\|\s*(-+|fault)\s*\|/i.test(row));
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter((row) => !/`test\/[\w/.-]+\.test\.ts`: “/.test(row))).toEqual([]);
  });

  test.each(proofs.map(({ file, name }) => [file, name]))("%s has the test “%s”", (file, name) => {
    expect(existsSync(join(REPOSITORY, file))).toBe(true);
    const source = readFileSync(join(REPOSITORY, file), "utf8");
    const written = [...source.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text);
    expect(written.filter((text) => text.includes(name))).not.toEqual([]);
  });
});
