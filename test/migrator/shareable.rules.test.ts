import { describe, expect, it } from "@jest/globals";
import type { Planned } from "../../lib/migrator/run/planned.ts";
import { shareable } from "../../lib/migrator/run/together.ts";

const TABLE = "CREATE TABLE t (a int);";

function planned(steps: readonly string[], more: Partial<Planned> = {}): Planned {
  const actions = { up: undefined, down: undefined, shorthands: {} };
  const context = { name: "m", actions, shorthands: {}, decamelize: false, warn: () => {} };
  const built = { kind: "static", steps, transactional: true } as const;
  return { name: "m", direction: "up", context, built, source: "file", ...more };
}

const FRESH = { table: "pgmigrations", mayHaveRows: false };
const INDEX = "CREATE INDEX i ON t (a);";

const many = (length: number, text = TABLE): Planned[] => Array.from({ length }, () => planned([text]));

describe("migrations that may share a transaction", () => {
  it.each<[string, Planned[], number]>([
    ["none", [], 0],
    ["all that define", many(3), 3],
    ["those without SQL", [planned([]), planned([""]), planned([TABLE, TABLE])], 3],
    ["250 at most", many(600), 250],
    ["fewer when they are long", many(30, `COMMENT ON TABLE t IS '${"x".repeat(18_000)}'`), 5],
    ["none when the first is too long", many(2, `COMMENT ON TABLE t IS '${"x".repeat(110_000)}'`), 0],
    ["up to one with data", [...many(2), planned(["INSERT INTO t VALUES (1)"]), ...many(2)], 2],
    ["up to one that has to be asked", [...many(2), planned([], { built: { kind: "dynamic" } })], 2],
    [
      "up to one outside a transaction",
      [...many(2), planned([TABLE], { built: { kind: "static", steps: [TABLE], transactional: false } })],
      2,
    ],
    ["none that is undone", many(2).map((one) => ({ ...one, direction: "down" })), 0],
    ["up to a quote that nothing closes", [...many(2), planned(["COMMENT ON TABLE t IS 'a"]), ...many(1)], 2],
    ["with indexes and changes of tables", [...many(2), planned([INDEX, "ALTER TABLE t ADD b int;"])], 3],
    [
      "up to what concerns the engine's table",
      [...many(2), planned(["COMMENT ON TABLE pgmigrations IS 'a'"])],
      2,
    ],
    [
      "up to what changes how quotes are read",
      [...many(2), planned(["ALTER TABLE t SET (standard_conforming_strings = off)"])],
      2,
    ],
  ])("%s", (_, list, expected) => {
    expect(shareable(list, 0, FRESH)).toHaveLength(expected);
  });

  it("are counted from where the run has come to", () => {
    const list = [planned(["SELECT 1"]), ...many(2)];
    expect(shareable(list, 0, FRESH)).toHaveLength(0);
    expect(shareable(list, 1, FRESH)).toEqual(list.slice(1));
  });

  it("are not those that take long, once there may be rows", () => {
    const rows = { ...FRESH, mayHaveRows: true };
    expect(shareable([...many(2), planned([INDEX])], 0, rows)).toHaveLength(2);
    expect(shareable([...many(2), planned(["ALTER TABLE t ADD b int"])], 0, rows)).toHaveLength(2);
  });
});
