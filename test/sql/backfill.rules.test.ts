import { describe, expect, it } from "@jest/globals";
import { readBackfillStatements, readIdentifier, readSections, withCondition } from "../../lib/sql/index.ts";

const read = (sql: string) => {
  const [statement] = readBackfillStatements(sql);
  if (statement === undefined) throw new Error("there is no statement");
  return statement;
};

describe("the statement of a backfill", () => {
  it.each([
    ["UPDATE orders SET a = 1 WHERE a IS NULL AND :batch", "orders", "orders", ["a"], true],
    [
      "update only public.orders as o set a = 1, b = (select max(x), 2 from y where z) where :batch",
      "public.orders",
      "o",
      ["a", "b"],
      false,
    ],
    [
      'UPDATE "Orders" o SET ("A", b) = (1, 2), c.d = 3, e[1] = 4 FROM x WHERE (:batch) RETURNING 1',
      '"Orders"',
      "o",
      ["A", "b", "c", "e"],
      false,
    ],
    ["UPDATE t SET a = CASE WHEN b THEN 1 END WHERE :batch AND true", "t", "t", ["a"], true],
    ["DELETE FROM t USING u WHERE :batch AND u.id = t.id", "t", "t", [], true],
    ["DELETE FROM t AS old WHERE :batch", "t", "old", [], false],
    ["UPDATE t SET a = 1 FROM (SELECT 1 FROM u WHERE :batch) s", "t", "t", ["a"], true],
  ])("the statement of a backfill tells what it changes: %s", (sql, table, alias, assigned, hasCondition) => {
    expect(read(sql).target).toEqual({ table, alias, assigned, hasCondition });
  });

  it.each([
    "INSERT INTO a SELECT * FROM b WHERE :batch",
    "WITH x AS (SELECT 1) UPDATE t SET a = 1 WHERE :batch",
    "SELECT f(id) FROM t WHERE :batch",
  ])("no table is changed by the statement of a backfill: %s", (sql) => {
    expect(read(sql).target).toBeUndefined();
  });

  it("the statement of a backfill gets the condition in place of each :batch, and of nothing else", () => {
    const sql =
      "/* :batch */ UPDATE t SET a = ':batch', b = c::batch, d = x[1:batches] -- :batch\n WHERE :batch OR (:BATCH)";
    expect(withCondition(read(sql), "(id > 1)")).toBe(
      "UPDATE t SET a = ':batch', b = c::batch, d = x[1:batches] -- :batch\n WHERE (id > 1) OR ((id > 1))",
    );
  });

  it.each([
    ["Orders", "orders"],
    ['"Orders"', "Orders"],
    ['"a""b"', 'a"b'],
    ["ÄB", "Äb"],
  ])("reads the identifier %s as the server does", (text, name) => {
    expect(readIdentifier(text)).toBe(name);
  });
});

describe("the header of a backfill", () => {
  const settingsOf = (text: string) => {
    const { up } = readSections({ path: "/x/1_fill.sql", text });
    return up.backfill === undefined ? undefined : Object.fromEntries(up.backfill);
  };

  it("a backfill is read from the lines below its marker, up to an empty line", () => {
    const text =
      "-- Why we do this: because\n-- migrate: backfill\n-- key: a, b\n-- it is large\n--BATCH:  5000 \n\n-- note: nothing\nUPDATE t SET x = 1 WHERE :batch;";
    expect(settingsOf(text)).toEqual({ key: "a, b", batch: "5000" });
  });

  it("the marker of a backfill takes the up section out of the transaction, and not the down section", () => {
    const { up, down } = readSections({
      path: "/x/1_fill.sql",
      text: "-- Up Migration\n-- migrate: backfill\nUPDATE t SET x = 1 WHERE y AND :batch;\n-- Down Migration\nUPDATE t SET x = 0;",
    });
    expect([up.transactional, up.backfill?.size, down?.transactional, down?.backfill]).toEqual([
      false,
      0,
      true,
      undefined,
    ]);
  });

  it.each([
    ["SELECT 1;\n-- migrate: backfill\n", 'has "-- migrate: backfill" below a statement'],
    ["-- migrate: backfill\n-- migrate: backfill\nSELECT 1", 'has "-- migrate: backfill" twice'],
    ["-- migrate: backfill\n-- key: id\n-- key: no\nSELECT 1", 'has a second line "key" for its backfill'],
    [
      "SELECT 1;\n-- Down Migration\n-- migrate: backfill\nSELECT 1",
      "has a backfill in the section that undoes",
    ],
    ["/* migrate: backfill */ SELECT 1", 'has "migrate: backfill" in a block comment'],
    ["-- migrate: backfil\nSELECT 1", 'has "migrate: backfil", which is not understood'],
    ["SELECT 1; -- migrate: backfill", "behind something else"],
  ])("is refused in %j", (text, message) => {
    expect(() => settingsOf(text)).toThrow(message);
  });
});
