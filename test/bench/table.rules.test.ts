import { describe, expect, test } from "@jest/globals";
import { takeTurns } from "../../bench/contest.ts";
import { judge, renderGoals } from "../../bench/goals.ts";
import { parseOptions } from "../../bench/options.ts";
import { byTurns } from "../../bench/parts/local.ts";
import type { Row } from "../../bench/rows.ts";
import { median, ratio, spread } from "../../bench/statistics.ts";
import { renderTable } from "../../bench/table.ts";
import { relationsAfter, stepsOf } from "../../bench/work.ts";

describe("numbers", () => {
  test.each([
    [[], undefined],
    [[3], 3],
    [[10, 9, 100], 10],
    [[4, 1, 3, 2], 2.5],
  ])("the median of %j is %j", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test("one value has no spread", () => {
    expect(spread([3])).toBeUndefined();
    expect(spread([3, 1, 2])).toEqual([1, 3]);
  });

  test("a ratio needs both sides", () => {
    expect(ratio(3, 2)).toBe(1.5);
    expect(ratio(undefined, 2)).toBeUndefined();
    expect(ratio(3, 0)).toBeUndefined();
  });
});

describe("the table", () => {
  const rows: Row[] = [
    { work: "1 SQL", tool: "cdk-pg-migrate", costs: [1, 2, 3].map((n) => ({ wallMs: n * 100, peakMb: 60 })) },
    { work: "1 SQL", tool: "node-pg-migrate", costs: [{ wallMs: 400, peakMb: 80 }], roundTrips: 1_234 },
    { work: "1 SQL", tool: "dbmate", costs: [], remark: "failed: gone" },
  ];
  const lines = renderTable(rows).split("\n");
  const cellsOf = (line: string | undefined) => line?.split("|").map((cell) => cell.trim());

  test("compares the median of our row with that of each other", () => {
    expect(cellsOf(lines[2])).toEqual(expect.arrayContaining(["cdk-pg-migrate", "200", "100–300"]));
    expect(cellsOf(lines[3])).toEqual(expect.arrayContaining(["400", "0.50", "80", "0.75", "1,234"]));
  });

  test("keeps who failed, without numbers", () => {
    expect(lines[4]).toMatch(/^\| 1 SQL +\| dbmate [|\s]+failed: gone \|$/);
  });

  test("has lines of one length", () => {
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
  });
});

describe("goals", () => {
  const nothing = (work: string, wallMs: number): Row => ({
    work,
    tool: "cdk-pg-migrate",
    costs: [{ wallMs }],
  });

  test.each([
    [110, "- met: nothing to do, 1,000 TS ÷ 1 TS, wall: 1.10 (at most 1.15)"],
    [200, "- NOT met: nothing to do, 1,000 TS ÷ 1 TS, wall: 2.00 (at most 1.15)"],
  ])("%i ms against 100", (wallMs, expected) => {
    const rows = [nothing(byTurns("TS", 1), 100), nothing(byTurns("TS", 1_000), wallMs)];
    expect(renderGoals(judge(rows))).toBe(expected);
  });

  test("of which nothing was measured are left out", () => {
    expect(judge([])).toEqual([]);
  });
});

test("contenders take turns, each round from another one; who fails is out", async () => {
  const order: string[] = [];
  const outcomes = await takeTurns(["a", "b", "c"], 3, async (name, round) => {
    order.push(name);
    if (name === "b" && round === 1) throw new Error("no more");
    return { wallMs: round };
  });
  expect(order.join("")).toBe("abcbcaca");
  expect(outcomes.get("a")?.costs).toHaveLength(3);
  expect(outcomes.get("b")).toEqual({ costs: [], failure: "no more" });
});

test.each([1, 4, 5, 13])("%i steps leave as many relations as they say", (count) => {
  const sql = stepsOf(count).map(({ up }) => up);
  const made = sql.filter((text) => text.startsWith("CREATE TABLE")).length;
  const indexes = sql.filter((text) => text.startsWith("CREATE INDEX")).length;
  expect(relationsAfter(count)).toBe(2 * made + indexes);
});

test.each([
  [["--only", "nothing"], "--only nothing: is none of local, network, lambda, synth"],
  [["--runs", "0"], "--runs 0: is no whole number above 0"],
])("refuses %j", (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
});
