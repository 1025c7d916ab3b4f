import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(REPOSITORY, "docs/guarantees.md"), "utf8");

/** Each promise of the page's table, as "G7 in test/….test.ts". */
const promised = [...page.matchAll(/^\| (G\d+) +\|(.*)$/gm)].flatMap(([, id = "", row = ""]) => {
  const files = [...row.matchAll(/`(test\/[\w/.-]+\.test\.ts)`/g)].map(([, file]) => file);
  return files.length === 0 ? [`${id} in no test`] : files.map((file) => `${id} in ${file}`);
});

/** Each id in the title of a test, in the same form. */
const proved = readdirSync(join(REPOSITORY, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => `test/${name.replaceAll("\\", "/")}`)
  .flatMap((file) => {
    const ids = readFileSync(join(REPOSITORY, file), "utf8").matchAll(/\[(G\d+)\]"/g);
    return [...ids].map(([, id]) => `${id} in ${file}`);
  });

it("docs/guarantees.md names, for each promise, the test files that prove it, and no other", () => {
  expect(promised.length).toBeGreaterThan(30);
  expect([...new Set(proved)].sort()).toEqual([...promised].sort());
});

it("docs/guarantees.md gives each promise an id of its own", () => {
  const ids = [...page.matchAll(/^\| (G\d+) +\|/gm)].map(([, id]) => id);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});
