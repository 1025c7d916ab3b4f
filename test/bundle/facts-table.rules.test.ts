import { describe, expect, test } from "@jest/globals";
import { FactsTable, type KnownFacts } from "../../lib/bundle/facts-table.ts";
import type { Stamp, Stamps } from "../../lib/bundle/stamps.ts";

const stamp = (size: number): Stamp => ({ mtimeMs: 1.5, ctimeMs: 2.5, size });

/** Files by path, with their sizes. */
function looking(files: Readonly<Record<string, number>>): Stamps {
  const of = (path: string) => (files[path] === undefined ? undefined : stamp(files[path]));
  return { of, settled: () => true };
}

function known(digest: string, files: Readonly<Record<string, number>>): KnownFacts {
  const stamps = Object.entries(files).map(([path, size]) => ({ path, ...stamp(size) }));
  return { digest, shorthands: digest === "a", refersToItself: false, stamps };
}

function filled(): FactsTable {
  const table = new FactsTable();
  table.add("1.ts", known("a", { "1.ts": 10, "/shared.ts": 5 }));
  table.add("2.ts", known("b", { "2.ts": 20, "/shared.ts": 5 }));
  table.add("3.sql", known("c", { "3.sql": 30 }));
  return table;
}

const FILES = { "1.ts": 10, "2.ts": 20, "3.sql": 30, "/shared.ts": 5 };

describe("facts by column", () => {
  test.each<[string, readonly string[]]>([
    ["in turn", ["1.ts", "2.ts", "3.sql"]],
    ["in another order", ["3.sql", "1.ts", "2.ts", "2.ts"]],
    ["with gaps", ["1.ts", "3.sql"]],
    ["with unknown ones between", ["0.ts", "1.ts", "1a.ts", "2.ts", "4.ts"]],
  ])("are found %s", (_how, keys) => {
    const digests: Record<string, string> = { "1.ts": "a", "2.ts": "b", "3.sql": "c" };
    const table = new FactsTable(filled().columns());
    expect(keys.map((key) => table.find(key, looking(FILES))?.digest)).toEqual(
      keys.map((key) => digests[key]),
    );
  });

  test("hold as long as no file of theirs differs", () => {
    const table = new FactsTable(filled().columns());
    const found = (files: Readonly<Record<string, number>>) =>
      ["1.ts", "2.ts", "3.sql"].filter((key) => table.find(key, looking(files)) !== undefined);
    expect(found(FILES)).toEqual(["1.ts", "2.ts", "3.sql"]);
    expect(found({ ...FILES, "2.ts": 21 })).toEqual(["1.ts", "3.sql"]);
    expect(found({ ...FILES, "/shared.ts": 6 })).toEqual(["3.sql"]);
    expect(found({ "1.ts": 10, "2.ts": 20, "3.sql": 30 })).toEqual(["3.sql"]);
  });

  test("that are added again take the place of the old, which are not written", () => {
    const table = new FactsTable(filled().columns());
    table.add("2.ts", known("B", { "2.ts": 22 }));
    table.add("2a.ts", known("d", { "2a.ts": 1 }));
    const files = looking({ ...FILES, "2.ts": 22, "2a.ts": 1 });
    const written = table.columns();
    expect(written.keys).toEqual(["1.ts", "2.ts", "2a.ts", "3.sql"]);
    expect(written.digests).toEqual(["a", "B", "d", "c"]);
    expect(written.paths).toEqual(["1.ts", "/shared.ts", "2.ts", "2a.ts", "3.sql"]);
    for (const one of [table, new FactsTable(written)]) {
      expect(["1.ts", "2.ts", "2a.ts", "3.sql"].map((key) => one.find(key, files))).toEqual([
        { digest: "a", shorthands: true, refersToItself: false },
        { digest: "B", shorthands: false, refersToItself: false },
        { digest: "d", shorthands: false, refersToItself: false },
        { digest: "c", shorthands: false, refersToItself: false },
      ]);
    }
  });
});
