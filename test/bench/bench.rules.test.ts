import { describe, expect, test } from "@jest/globals";
import { benchMigrations } from "../../bench/migrations.ts";
import { parseOptions } from "../../bench/options.ts";
import { renderGoals, renderTimes, type Section, verdictOn } from "../../bench/report.ts";
import { median, ratio, takeTurns } from "../../bench/rounds.ts";
import { trafficOf } from "../../bench/server.ts";

describe("rounds of the bench", () => {
  const contender = (name: string, work: () => number) => ({ name, run: async () => work() });

  test("contenders of the bench take turns, and each round begins with another one", async () => {
    const order: string[] = [];
    const contenders = ["a", "b", "c"].map((name) => contender(name, () => order.push(name)));
    await takeTurns(contenders, 3);
    expect(order.join("")).toBe("abcbcacab");
  });

  test("a contender that fails once runs no more, and keeps no times", async () => {
    const failing = contender("failing", () => {
      throw new Error("no server");
    });
    const times = await takeTurns([failing, contender("other", () => 7)], 2);
    expect(times.get("failing")).toEqual({ ms: [], failure: "no server" });
    expect(times.get("other")).toEqual({ ms: [7, 7] });
  });

  test.each([
    [[], undefined],
    [[3], 3],
    [[10, 9, 100], 10],
    [[4, 1, 3, 2], 2.5],
  ])("the median of %j is %j", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test("a ratio is the median of the ratios of the rounds", () => {
    const times = new Map([
      ["ours", { ms: [10, 40, 30] }],
      ["theirs", { ms: [10, 10, 10] }],
      ["failed", { ms: [], failure: "no server" }],
    ]);
    expect(ratio(times, "ours", "theirs")).toBe(3);
    expect(ratio(times, "ours", "failed")).toBeUndefined();
  });
});

describe("report of the bench", () => {
  const section: Section = {
    title: "Fresh",
    times: new Map([
      ["ours", { ms: [1_100, 1_000, 1_300] }],
      ["theirs", { ms: [], failure: "ended\nwith 1" }],
    ]),
    goals: [{ text: "ours ÷ theirs", atMost: 1.25, measured: 1.3 }],
  };

  test("the table of times shows median, least and greatest, and why a contender failed", () => {
    expect(renderTimes(section)).toContain(
      "| ours | 1,100 | 1,000 | 1,300 |\n| theirs | failed: ended with 1 |",
    );
  });

  test("further columns of the table of times have a value for each contender, a failed one too", () => {
    const columns = [{ head: "MB", value: (name: string) => (name === "ours" ? "70" : "") }];
    const lines = renderTimes({ ...section, columns }).split("\n");
    expect(lines).toContain("|  | median ms | least | greatest | MB |");
    expect(lines).toContain("| ours | 1,100 | 1,000 | 1,300 | 70 |");
    expect(lines).toContain("| theirs | failed: ended with 1 | | |  |");
  });

  test("the table of goals shows the figure beside its goal", () => {
    expect(renderGoals([section])).toContain("| Fresh | ours ÷ theirs | 1.30 | 1.25 | missed |");
  });

  test.each([
    [1.25, "met"],
    [1.26, "missed"],
    [undefined, "not measured"],
  ])("a figure of %j that may be 1.25 is called %s", (measured, verdict) => {
    expect(verdictOn({ text: "", atMost: 1.25, measured })).toBe(verdict);
  });
});

test("traffic is counted from the log's entries of one database", () => {
  const log = `@bench_1@LOG:  connection authorized: user=u database=bench_1
@bench_1@LOG:  statement: BEGIN;
\tSELECT ';'; -- done
@bench_2@LOG:  statement: SELECT 1
@@LOG:  checkpoint starting: immediate
@bench_1@LOG:  execute <unnamed>: SELECT $1
@bench_1@DETAIL:  Parameters: $1 = 'x'
`;
  expect(trafficOf(log, "bench_1")).toEqual({ connections: 1, requests: 2, statements: 3 });
});

describe("folder of the bench", () => {
  const migrations = benchMigrations(120);
  const share = (pattern: RegExp) =>
    migrations.filter(({ up }) => pattern.test(up)).length / migrations.length;

  test("a third of the bench's migrations write rows or make functions", () => {
    expect(share(/^(INSERT|UPDATE|DELETE|CREATE FUNCTION)/)).toBeCloseTo(1 / 3, 1);
  });

  test("the bench's migrations have foreign keys, and add columns to tables that have rows", () => {
    expect(share(/REFERENCES/)).toBeGreaterThan(0.1);
    expect(share(/ADD COLUMN/)).toBeGreaterThan(0.2);
  });

  test("the bench's migrations are the same each time, and their names are in running order", () => {
    expect(benchMigrations(120)).toEqual(migrations);
    const names = migrations.map(({ name }) => name);
    expect(names.toSorted()).toEqual(names);
  });
});

test.each([
  [["--only", "nothing"], "--only nothing: must be one of fresh, no-op, deploy, testing"],
  [["--tree", "/nowhere"], "/nowhere has no dist/: run `npm run build` there first"],
])("the bench refuses %j", (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
});
