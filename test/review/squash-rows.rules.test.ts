import { describe, expect, it } from "@jest/globals";
import { type Contents, DEFAULT, requireReproducible, type Value } from "../../lib/review/squash/rows.ts";

const column = (name: string, hasDefault: boolean) => ({
  name,
  hasDefault,
  type: "text",
  alwaysIdentity: false,
});

const contents = (...rows: readonly (readonly Value[])[]): Contents => ({
  tables: [{ table: "a", columns: [column("id", false), column("at", true)], rows }],
  sequences: [],
});

const FIRST = contents(["1", "noon"], ["2", "noon"]);

describe("the rows of two replays", () => {
  it.each([
    ["are the same", contents(["1", "noon"], ["2", "noon"]), FIRST],
    ["are the same in another order", contents(["2", "noon"], ["1", "noon"]), FIRST],
    [
      "differ where a default made the value",
      contents(["1", "one"], ["2", "noon"]),
      contents(["1", DEFAULT], ["2", "noon"]),
    ],
  ])("rows that %s can be put into a baseline", (_how, second, expected) => {
    expect(requireReproducible(FIRST, second)).toEqual(expected);
  });

  it.each([
    ["differ", contents(["1", "noon"], ["3", "noon"]), "a.id differ between two replays"],
    ["are more", contents(["1", "noon"], ["2", "noon"], ["3", "noon"]), "the number of rows of a"],
    ["are gone", { tables: [], sequences: [] }, "which tables have rows"],
  ])("rows that %s are refused", (_how, second, message) => {
    expect(() => requireReproducible(FIRST, second)).toThrow(message);
  });
});
