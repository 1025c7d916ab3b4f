import { describe, expect, it } from "@jest/globals";
import { MigrationError } from "../../../lib/core/index.ts";
import { selectDown, selectUp } from "../../../lib/engine/selection.ts";

const known = ["1_a", "2_b", "3_c", "4_d"];

/** The hint of the refusal that `select` throws. */
function hintOf(select: () => unknown): string {
  try {
    select();
  } catch (error) {
    if (error instanceof MigrationError) return String(error.details.hint);
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("what up applies", () => {
  it.each([
    ["everything", {}, ["2_b", "4_d"]],
    ["the first", { count: 1 }, ["2_b"]],
    ["more than there is", { count: 9 }, ["2_b", "4_d"]],
    ["as far as a pending name", { to: "2_b" }, ["2_b"]],
    ["as far as an applied name", { to: "3_c" }, ["2_b"]],
    ["as far as an applied name before all", { to: "1_a" }, []],
  ])("selectUp takes %s", (_name, extent, expected) => {
    expect(selectUp(["2_b", "4_d"], known, extent)).toEqual(expected);
  });

  it.each([
    [{ count: 0 }, "from 1 up, not 0"],
    [{ count: -1 }, "not -1"],
    [{ count: 1.5 }, "not 1.5"],
    [{ count: Number.NaN }, "not NaN"],
    [{ to: "5_e" }, 'no migration named "5_e"'],
    [{ count: 1, to: "2_b" }, "exclude each other"],
    [{ count: 3 }, "the count is 3, but there is only 1 migration pending"],
    [{ count: 20240101 }, "the count is 20240101, but there is only 1 migration pending"],
    [{ count: 1707000000000 }, "the count is 1707000000000"],
  ])("selectUp refuses %j", (extent, message) => {
    expect(() => selectUp(["2_b"], known, extent)).toThrow(message);
  });

  it("a count that is too large names the migration that begins with the number", () => {
    const names = ["1707000000000_a", "1708000000000_b"];
    expect(hintOf(() => selectUp(names, names, { count: 1707000000000 }))).toBe(
      "Did you mean --to 1707000000000_a, which applies as far as that one?",
    );
  });
});

describe("what down undoes", () => {
  // 2_b came last although it sorts in the middle: down goes by what was done last.
  const names = ["1_a", "3_c", "2_b"];
  const applied = names.map((name) => ({
    name,
    run: name === "1_a" ? "first" : "second",
    release: name === "2_b" ? null : "hash",
  }));
  it.each([
    ["the last one", {}, ["2_b"]],
    ["the last two, newest first", { count: 2 }, ["2_b", "3_c"]],
    ["what came after a name, which stays", { to: "1_a" }, ["2_b", "3_c"]],
    ["nothing after the last", { to: "2_b" }, []],
    ["what the last run applied", { batch: true }, ["2_b", "3_c"]],
    ["what a release applied", { release: { hash: "hash", isKept: () => false } }, ["3_c", "1_a"]],
    [
      "less what its successor has",
      { release: { hash: "hash", isKept: (n: string) => n === "1_a" } },
      ["3_c"],
    ],
    ["nothing of an unknown release", { release: { hash: "other", isKept: () => false } }, []],
  ])("selectDown takes %s", (_name, extent, expected) => {
    expect(selectDown(applied, extent)).toEqual(expected);
  });

  it.each([
    [{ count: 0 }],
    [{ count: -1 }],
    [{ to: "4_d" }],
    [{ count: 1, to: "1_a" }],
    [{ count: 1, batch: true }],
    [{ to: "1_a", batch: true }],
    [{ release: { hash: "hash", isKept: () => false }, count: 1 }],
  ])("selectDown refuses %j", (extent) => {
    expect(() => selectDown(applied, extent)).toThrow();
  });

  it.each([
    [9, "the count is 9, but there are only 3 migrations applied", "Give a number that is not above it"],
    [4, "the count is 4, but there are only 3 migrations applied", "Give a number that is not above it"],
    [
      1795891676541,
      "the count is 1795891676541, but there are only 3",
      "Did you mean --to 1795891676541_b, which undoes what was applied after that one?",
    ],
  ])(
    "selectDown refuses the count %d, which is above the number of applied migrations",
    (count, message, hint) => {
      const rows = ["1_a", "1795891676541_b", "3_c"].map((name) => ({ name, run: null, release: null }));
      const select = () => selectDown(rows, { count });
      expect(select).toThrow(message);
      expect(select).toThrow(expect.objectContaining({ code: "USAGE" }));
      expect(hintOf(select)).toContain(hint);
    },
  );

  it("selectDown takes nothing from an empty database, whatever the count", () => {
    expect(selectDown([], {})).toEqual([]);
    expect(selectDown([], { count: 3 })).toEqual([]);
  });

  it("selectDown refuses --batch for rows that plain node-pg-migrate wrote", () => {
    expect(() => selectDown([{ name: "1_a", run: null, release: null }], { batch: true })).toThrow(
      "not recorded which run",
    );
    expect(selectDown([], { batch: true })).toEqual([]);
  });

  it("an unknown name gets a similar one as a suggestion", () => {
    expect(hintOf(() => selectDown(applied, { to: "3" }))).toBe("Did you mean 3_c?");
  });
});
