import { describe, expect, it } from "@jest/globals";
import { compareMigrations, inRunningOrder } from "../../../lib/core/index.ts";

describe("the order of migrations", () => {
  it.each([
    ["numbers by value, not by text", ["2_b.sql", "10_a.sql", "1_c.ts"], ["1_c.ts", "2_b.sql", "10_a.sql"]],
    [
      "a UTC date of 17 digits among milliseconds",
      ["1707000000000_b.ts", "20240101000000000_a.ts", "1700000000000_c.ts"],
      // 2024-01-01 is 1704067200000
      ["1700000000000_c.ts", "20240101000000000_a.ts", "1707000000000_b.ts"],
    ],
    ["equal numbers by name", ["1_b.ts", "1_a.ts"], ["1_a.ts", "1_b.ts"]],
    ["numbers inside names by value", ["1_step10.ts", "1_step9.ts"], ["1_step9.ts", "1_step10.ts"]],
    [
      "punctuation in names does not count",
      ["1_b-a.ts", "1_ba.sql", "1_b_c.ts"],
      ["1_ba.sql", "1_b-a.ts", "1_b_c.ts"],
    ],
    ["names without a number first", ["1_a", "initial"], ["initial", "1_a"]],
    [
      "17 digits that are no date are a number",
      ["99999999999999999_a", "1_b"],
      ["1_b", "99999999999999999_a"],
    ],
  ])("the order sorts %s", (_rule, names, sorted) => {
    expect([...names].sort(compareMigrations)).toEqual(sorted);
    for (const given of [names, sorted]) {
      const things = given.map((fileName) => ({ fileName }));
      expect(inRunningOrder(things, (thing) => thing.fileName).map((thing) => thing.fileName)).toEqual(
        sorted,
      );
    }
  });

  it("the order is the same whatever order the names come in", () => {
    const names = ["1_a.ts", "1-a.ts", "1_A.ts", "01_a.ts", "1_a.sql"];
    const once = [...names].sort(compareMigrations);
    expect([...names].reverse().sort(compareMigrations)).toEqual(once);
  });
});
