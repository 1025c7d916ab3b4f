import { describe, expect, it } from "@jest/globals";
import { checkDown, checkUp } from "../../../lib/engine/checks.ts";
import { type Classified, classify, outOfOrder } from "../../../lib/engine/database-state.ts";

interface Case {
  readonly files: readonly string[];
  readonly applied: readonly string[];
  readonly changed?: readonly string[];
  readonly partial?: readonly string[];
}

function states({ files, applied, changed = [], partial = [] }: Case): string[] {
  const entries = files.map((name) => ({ name, fileName: `${name}.ts` }));
  const known = { entries, applied, changed: new Set(changed), partial: new Set(partial) };
  return classify(known).map(({ name, state }) => `${name} ${state}`);
}

const NOTHING_ELSE = {
  resumable: new Set(["left"]),
  renamed: new Map(),
  missingSchemas: [],
  baselines: [],
  contracts: undefined,
};

describe("the states of migrations", () => {
  it.each<[string, Case, string[]]>([
    ["nothing anywhere", { files: [], applied: [] }, []],
    ["all new", { files: ["2_b", "1_a"], applied: [] }, ["1_a pending", "2_b pending"]],
    ["all done", { files: ["1_a", "2_b"], applied: ["1_a", "2_b"] }, ["1_a applied", "2_b applied"]],
    ["a changed file", { files: ["1_a"], applied: ["1_a"], changed: ["1_a"] }, ["1_a changed"]],
    [
      "a missing one in the middle",
      { files: ["1_a", "3_c"], applied: ["1_a", "2_b", "3_c"] },
      ["1_a applied", "2_b missing", "3_c applied"],
    ],
    ["one from newer code", { files: ["1_a"], applied: ["1_a", "2_b"] }, ["1_a applied", "2_b ahead"]],
    ["everything from newer code", { files: [], applied: ["1_a"] }, ["1_a ahead"]],
    ["a partly applied one", { files: ["1_a"], applied: [], partial: ["1_a"] }, ["1_a partial"]],
    [
      "a partly applied one without its file",
      { files: ["2_b"], applied: [], partial: ["1_a"] },
      ["1_a partial", "2_b pending"],
    ],
    ["half undone", { files: ["1_a"], applied: ["1_a"], partial: ["1_a"] }, ["1_a partial"]],
  ])("classify gives the right states for %s", (_name, given, expected) => {
    expect(states(given)).toEqual(expected);
  });
});

const list = (...rows: string[]): Classified[] =>
  rows.map((row) => {
    const [name = "", state] = row.split(" ");
    if (state === "applied" || state === "pending" || state === "ahead" || state === "missing")
      return { name, state };
    return { name, state: state === "changed" ? "changed" : "partial" };
  });

describe("migrations out of order", () => {
  it.each<[string, Classified[], string[]]>([
    ["nothing applied", list("1 pending", "2 pending"), []],
    ["pending after applied", list("1 applied", "2 pending"), []],
    ["pending before applied", list("1 pending", "2 applied", "3 pending"), ["1"]],
    ["pending before a newer code's", list("1 applied", "2 pending", "3 ahead"), ["2"]],
    ["a partly applied one, which does not count as applied", list("1 pending", "2 partial"), []],
  ])("outOfOrder gives the right names for %s", (_name, given, expected) => {
    expect(outOfOrder(given)).toEqual(expected);
  });
});

describe("whether up may run", () => {
  it.each<[string, Classified[], "strict" | "warn" | "allow", string[], string[]]>([
    ["a clean start", list("1 pending"), "strict", [], []],
    ["changed", list("1 changed", "2 pending"), "allow", ["CHANGED"], []],
    ["partial", list("1 partial"), "allow", ["PARTIAL"], []],
    ["partial, for up to go on with", list("left partial"), "strict", [], []],
    ["partial before changed", list("1 changed", "2 partial"), "strict", ["PARTIAL", "CHANGED"], []],
    ["missing, strict", list("1 missing", "2 applied"), "strict", ["MISSING"], []],
    ["missing, warn", list("1 missing", "2 applied"), "warn", [], ["MISSING"]],
    ["missing, allow", list("1 missing", "2 applied"), "allow", [], []],
    ["out of order, strict", list("1 pending", "2 applied"), "strict", ["ORDER"], []],
    ["out of order, warn", list("1 pending", "2 applied"), "warn", [], ["ORDER"]],
    ["out of order, allow", list("1 pending", "2 applied"), "allow", [], []],
    ["an earlier accepted version is only said", list("old changed", "2 pending"), "strict", [], ["CHANGED"]],
    [
      "not beside a change that is none",
      list("1 changed", "old changed"),
      "strict",
      ["CHANGED"],
      ["CHANGED"],
    ],
    ["ahead is only said", list("1 applied", "2 ahead"), "strict", [], ["MISSING"]],
  ])("checkUp gives the right refusals and warnings for %s", (_name, given, order, refusals, warnings) => {
    const checks = checkUp(
      { classified: given, superseded: new Set(["old"]), unmanaged: false, ...NOTHING_ELSE },
      order,
    );
    expect(checks.refusals.map(({ code }) => code)).toEqual(refusals);
    expect(checks.warnings.map(({ code }) => code)).toEqual(warnings);
  });

  it("up refuses a database with tables and no record of migrations before all else", () => {
    const { refusals } = checkUp(
      { classified: list("1 partial"), superseded: new Set(), unmanaged: true, ...NOTHING_ELSE },
      "allow",
    );
    expect(refusals.map(({ code }) => code)).toEqual(["UNMANAGED", "PARTIAL"]);
  });

  it("a refusal names the migrations, or the first few of many, and the remedy", () => {
    const many = Array.from({ length: 8 }, (_, index) => `${index} changed`);
    const [refusal] = checkUp(
      { classified: list(...many), superseded: new Set(), unmanaged: false, ...NOTHING_ELSE },
      "strict",
    ).refusals;
    expect(refusal?.message).toContain("0, 1, 2, 3, 4 and 3 more");
    expect(refusal?.migrations).toHaveLength(8);
    expect(refusal?.hint).not.toBe("");
  });

  it("down is refused only while a migration is partly applied", () => {
    expect(
      checkDown({ classified: list("1 changed", "2 missing", "3 ahead"), resumable: new Set() }).refusals,
    ).toEqual([]);
    const { refusals } = checkDown({ classified: list("1 partial"), resumable: new Set() });
    expect(refusals).toMatchObject([{ code: "PARTIAL", migrations: ["1"] }]);
  });
});
