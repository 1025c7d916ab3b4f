import { describe, expect, it, test } from "@jest/globals";
import type { OnRollback } from "../../lambda/contract.ts";
import { type Decision, decide } from "../../lambda/deploy/decide.ts";
import type { DeployEvent, ReleaseInfo } from "../../lambda/deploy/event.ts";
import type { StackDirection } from "../../lambda/stack-event/stack-status.ts";
import { baselineHeader } from "../../lib/core/index.ts";

/** A version of the migrations: its names decide all that a stack says of it. */
const version = (...names: string[]): ReleaseInfo => ({
  hash: names.join("+"),
  head: names.at(-1),
  count: names.length,
  replaced: 0,
  newest: names,
  options: "{}",
  contracts: [],
  revision: undefined,
});

const one = version("1_a", "2_b");
const more = version("1_a", "2_b", "3_c", "4_d");
const between = version("1_a", "2_b", "15_x");
const filled = version("1_a", "1_aa", "2_b");
const edited = { ...one, hash: "edited" };
const squashed = version("5_all");
const ahead = version("1_a", "2_b", "30_x");
const merged = version("1_a", "2_b", "25_m");
const renamed = version("1_a", "2_b", "29_x");
const optioned = { ...one, options: '{"order":"warn"}' };

const named = { resource: "stack/migrations", physicalId: "id" } as const;
const create = (current: ReleaseInfo): DeployEvent => ({
  ...named,
  type: "Create",
  current,
  physicalId: undefined,
});
type Change = readonly [previous: ReleaseInfo | undefined, current: ReleaseInfo];
const update = (direction: StackDirection, [previous, current]: Change): DeployEvent => ({
  ...named,
  type: "Update",
  direction,
  previous,
  current,
});
const remove: DeployEvent = { ...named, type: "Delete" };

/** A baseline of `2_b` replaces what a folder has up to it. */
const baselineOf = (name: string) =>
  name === "2_b-baseline"
    ? {
        baseline: baselineHeader(
          ["1_a", "2_b"].map((one) => ({ name: one, sqlDigest: undefined, replaces: [] })),
        ),
      }
    : {};

const codeOf = ({ hash, newest, options = "{}" }: ReleaseInfo, onRollback: OnRollback = "keep") => ({
  onRollback,
  options,
  manifest: {
    hash,
    migrations: newest.map((name) => ({
      ...baselineOf(name),
      ...{ name, fileName: `${name}.sql`, kind: "sql" as const },
      ...{ files: [`${name}.sql`], digest: "", shorthands: false },
    })),
  },
});

const short = (event: DeployEvent, code: ReleaseInfo, onRollback: OnRollback = "keep"): string => {
  const decision: Decision = decide(event, codeOf(code, onRollback));
  const fails = "mayFail" in decision && !decision.mayFail ? " without failing" : "";
  const then = decision.kind === "undo" && decision.applyAfterwards ? ", then apply" : "";
  return decision.kind + fails + then;
};

test.each([
  ["the first deploy runs", create(one), one, "apply"],
  ["a first deploy whose code is another one is refused", create(more), one, "refuse"],
  ["a deletion keeps the database", remove, one, "skip"],
])("%s", (_what, event, code, decision) => {
  expect(short(event, code, "keep")).toBe(decision);
  expect(short(event, code, "down")).toBe(decision);
});

describe("when CloudFormation says that the stack goes forward", () => {
  it.each<[string, Change, ReleaseInfo, string, string]>([
    // what, from and to, the code that answers, under keep, under down
    ["new migrations run", [one, more], more, "apply", "apply"],
    ["the same migrations with another forceRun run", [one, one], one, "apply", "apply"],
    ["other options run", [one, optioned], optioned, "apply", "apply"],
    ["an edited file runs", [one, edited], edited, "apply", "apply"],
    ["an older file below the same head runs", [one, filled], filled, "apply", "apply"],
    ["many files put into one newer one run", [more, squashed], squashed, "apply", "apply"],
    ["an update from a version that said nothing runs", [undefined, one], one, "apply", "apply"],
    ["an older commit is a return", [more, one], one, "skip", "undo"],
    [
      "an older commit with a merged migration applies what is pending",
      [ahead, merged],
      merged,
      "apply-if-pending",
      "undo, then apply",
    ],
    [
      "a newest one under an older name applies what is pending",
      [ahead, renamed],
      renamed,
      "apply-if-pending",
      "undo, then apply",
    ],
    ["other code than the event's is refused", [one, more], one, "refuse", "refuse"],
    ["other options than the code's are refused", [one, optioned], one, "refuse", "refuse"],
  ])("%s", (_what, change, code, keep, down) => {
    expect(short(update("forward", change), code, "keep")).toBe(keep);
    expect(short(update("forward", change), code, "down")).toBe(down);
  });
});

describe("when CloudFormation says that the stack rolls back [G21]", () => {
  it.each<[string, Change, ReleaseInfo, string, string]>([
    ["older migrations are undone under down alone, by old code", [more, one], one, "skip", "undo"],
    ["older migrations are undone under down alone, by new code", [more, one], more, "skip", "undo"],
    ["an older file is undone as well", [filled, one], one, "skip", "undo"],
    ["what was put into one newer file comes back", [squashed, more], more, "skip", "undo, then apply"],
    ["forceRun leaves nothing to undo", [one, one], one, "skip", "skip"],
    ["options leave nothing to undo, by old code", [optioned, one], one, "skip", "skip"],
    ["options leave nothing to undo, by new code", [optioned, one], optioned, "skip", "skip"],
    ["an edited file leaves nothing to undo, by old code", [edited, one], one, "skip", "skip"],
    ["an edited file leaves nothing to undo, by new code", [edited, one], edited, "skip", "skip"],
    ["a version that said nothing leaves nothing to undo", [undefined, one], one, "skip", "skip"],
    ["an older commit's undoing is undone, by its code", [one, more], more, "skip", "apply without failing"],
    ["an older commit's undoing stays without that code", [one, more], one, "skip", "skip"],
  ])("%s", (_what, change, code, keep, down) => {
    expect(short(update("rollback", change), code, "keep")).toBe(keep);
    expect(short(update("rollback", change), code, "down")).toBe(down);
  });
});

describe("when CloudFormation could not be asked", () => {
  it.each<[string, Change, ReleaseInfo, string, string]>([
    ["new migrations run", [one, more], more, "apply", "apply"],
    ["the same migrations run", [one, one], one, "apply", "apply"],
    ["older migrations are a return, by old code", [more, one], one, "skip", "undo"],
    ["older migrations are a return, by new code", [more, one], more, "skip", "undo"],
    [
      "a return with new ones applies what is pending",
      [ahead, merged],
      merged,
      "apply-if-pending without failing",
      "undo, then apply",
    ],
    ["a return with new ones is left to their code", [ahead, merged], ahead, "report", "undo"],
    ["other code than the event's only reports", [one, more], one, "report", "report"],
    ["a rollback of options by new code only reports", [optioned, one], optioned, "report", "report"],
  ])("%s", (_what, change, code, keep, down) => {
    expect(short(update("unknown", change), code, "keep")).toBe(keep);
    expect(short(update("unknown", change), code, "down")).toBe(down);
  });

  it("a decision names no head and no count that the event does not have", () => {
    const { hash } = more;
    const silent: ReleaseInfo = {
      hash,
      head: undefined,
      count: undefined,
      replaced: 0,
      newest: [],
      options: undefined,
      contracts: [],
      revision: undefined,
    };
    expect(short(update("unknown", [silent, one]), one, "down")).toBe("apply");
  });
});

describe("a return with events that name only the newest migrations", () => {
  const names = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index}_m`);
  const bounded = (...all: string[]): ReleaseInfo => ({ ...version(...all), newest: all.slice(-20) });
  const before = bounded(...names(101, 140));

  it("a return adds nothing to the undo when only the newest migrations are gone", () => {
    expect(short(update("forward", [before, bounded(...names(101, 138))]), one)).toBe("skip");
  });

  it("a return undoes one among the newest migrations too", () => {
    const now = bounded(...names(101, 130), "130_z", ...names(131, 138));
    expect(short(update("forward", [before, now]), now)).toBe("apply-if-pending");
  });

  it("a return undoes one older than the named migrations, as the number tells", () => {
    const now = bounded("100_old", ...names(101, 139));
    expect(short(update("forward", [before, now]), now)).toBe("apply-if-pending");
  });
});

describe("what a return undoes", () => {
  const undone = (before: ReleaseInfo, now: ReleaseInfo, code: ReleaseInfo): string[] => {
    const decision = decide(update("rollback", [before, now]), codeOf(code, "down"));
    if (decision.kind !== "undo") throw new Error(`decided ${decision.kind}`);
    expect(decision.release).toBe(before.hash);
    return before.newest.filter((name) => !decision.isInCurrent(name));
  };

  /** Only the newest names of a version, as templates hold them. */
  const cut = (whole: ReleaseInfo, names: number): ReleaseInfo => ({
    ...whole,
    newest: whole.newest.slice(-names),
  });

  it.each<[string, ReleaseInfo, ReleaseInfo, ReleaseInfo, string[]]>([
    // what, the version returned from, the one returned to, the code that answers
    ["what came on top, old code", more, one, one, ["3_c", "4_d"]],
    ["what came on top, new code", more, one, more, ["3_c", "4_d"]],
    ["an older file, old code", filled, one, one, ["1_aa"]],
    ["an older file, new code", filled, one, filled, ["1_aa"]],
    ["a newer one in the numbers, new code", between, one, between, ["15_x"]],
    ["with few names in the event, new code", more, cut(one, 1), more, ["3_c", "4_d"]],
    ["an older file nobody can name: it stays", filled, cut(one, 1), filled, []],
  ])("a return undoes %s", (_what, before, now, code, expected) => {
    expect(undone(before, now, code)).toEqual(expected);
  });
});

describe("a release whose baseline replaces migrations", () => {
  const full = version("1_a", "2_b", "3_c");
  const part = { ...version("2_b-baseline", "3_c"), replaced: 2 };
  const whole = { ...version("3_c-baseline"), replaced: 3 };
  const second = { ...version("3_c-baseline", "4_d"), replaced: 4 };

  describe.each(["forward", "unknown"] as const)("going %s", (direction) => {
    it.each([
      ["is applied although it has fewer migrations", full, part],
      ["is applied although it has one migration", full, whole],
      ["is applied with a newer migration", part, second],
    ])("%s", (_what, before, after) => {
      for (const onRollback of ["keep", "down"] as const)
        expect(short(update(direction, [before, after]), after, onRollback)).toBe("apply");
    });
  });

  it("the rollback of a squash undoes nothing that it replaces, whichever code answers", () => {
    for (const code of [full, part]) {
      const decision = decide(update("rollback", [full, part]), codeOf(code, "down"));
      if (decision.kind !== "undo") throw new Error(decision.kind);
      expect(["1_a", "2_b", "3_c"].filter((name) => !decision.isInCurrent(name))).toEqual([]);
    }
  });
});
