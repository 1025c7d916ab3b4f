import { describe, expect, it, test } from "@jest/globals";
import type { OnRollback } from "../../lambda/contract.ts";
import { type Decision, decide } from "../../lambda/deploy/decide.ts";
import type { Announced, DeployEvent } from "../../lambda/deploy/event.ts";
import type { StackDirection } from "../../lambda/stack-event/stack-status.ts";

/** A version of the migrations: its names decide all that a stack says of it. */
const version = (...names: string[]): Announced => ({
  hash: names.join("+"),
  head: names.at(-1),
  count: names.length,
  newest: names,
  options: "{}",
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
const create = (now: Announced): DeployEvent => ({ ...named, type: "Create", now, physicalId: undefined });
type Change = readonly [before: Announced | undefined, now: Announced];
const update = (direction: StackDirection, [before, now]: Change): DeployEvent => ({
  ...{ ...named, direction, before, now },
  type: "Update",
});
const remove: DeployEvent = { ...named, type: "Delete" };

const codeOf = ({ hash, newest, options = "{}" }: Announced, onRollback: OnRollback = "keep") => ({
  onRollback,
  options,
  manifest: {
    hash,
    migrations: newest.map((name) => ({
      ...{ name, fileName: `${name}.sql`, kind: "sql" as const },
      ...{ files: [`${name}.sql`], digest: "", shorthands: false },
    })),
  },
});

const short = (event: DeployEvent, code: Announced, onRollback: OnRollback = "keep"): string => {
  const decision: Decision = decide(event, codeOf(code, onRollback));
  const fails = "fails" in decision && !decision.fails ? " without failing" : "";
  const then = decision.kind === "undo" && decision.bringsNew ? ", then run" : "";
  return decision.kind + fails + then;
};

test.each([
  ["the first deploy runs", create(one), one, "run"],
  ["a first deploy whose code is another one is refused", create(more), one, "refuse"],
  ["a deletion keeps the database", remove, one, "keep"],
])("%s", (_what, event, code, decision) => {
  expect(short(event, code, "keep")).toBe(decision);
  expect(short(event, code, "down")).toBe(decision);
});

describe("where CloudFormation says that the stack goes forward", () => {
  it.each<[string, Change, Announced, string, string]>([
    // what, from and to, the code that answers, under keep, under down
    ["new migrations run", [one, more], more, "run", "run"],
    ["the same migrations with another forceRun run", [one, one], one, "run", "run"],
    ["other options run", [one, optioned], optioned, "run", "run"],
    ["an edited file runs", [one, edited], edited, "run", "run"],
    ["an older file below the same head runs", [one, filled], filled, "run", "run"],
    ["many files put into one newer one run", [more, squashed], squashed, "run", "run"],
    ["an update from a version that said nothing runs", [undefined, one], one, "run", "run"],
    ["an older commit is a return", [more, one], one, "keep", "undo"],
    ["an older commit with a merged migration checks it", [ahead, merged], merged, "check", "undo, then run"],
    ["a newest one under an older name checks it", [ahead, renamed], renamed, "check", "undo, then run"],
    ["other code than the event's is refused", [one, more], one, "refuse", "refuse"],
    ["other options than the code's are refused", [one, optioned], one, "refuse", "refuse"],
  ])("%s", (_what, change, code, keep, down) => {
    expect(short(update("forward", change), code, "keep")).toBe(keep);
    expect(short(update("forward", change), code, "down")).toBe(down);
  });
});

describe("where CloudFormation says that the stack rolls back [G21]", () => {
  it.each<[string, Change, Announced, string, string]>([
    ["older migrations are undone under down alone, by old code", [more, one], one, "keep", "undo"],
    ["older migrations are undone under down alone, by new code", [more, one], more, "keep", "undo"],
    ["an older file is undone as well", [filled, one], one, "keep", "undo"],
    ["what was put into one newer file comes back", [squashed, more], more, "keep", "undo, then run"],
    ["forceRun leaves nothing to undo", [one, one], one, "keep", "keep"],
    ["options leave nothing to undo, by old code", [optioned, one], one, "keep", "keep"],
    ["options leave nothing to undo, by new code", [optioned, one], optioned, "keep", "keep"],
    ["an edited file leaves nothing to undo, by old code", [edited, one], one, "keep", "keep"],
    ["an edited file leaves nothing to undo, by new code", [edited, one], edited, "keep", "keep"],
    ["a version that said nothing leaves nothing to undo", [undefined, one], one, "keep", "keep"],
    ["an older commit's undoing is undone, by its code", [one, more], more, "keep", "run without failing"],
    ["an older commit's undoing stays without that code", [one, more], one, "keep", "keep"],
  ])("%s", (_what, change, code, keep, down) => {
    expect(short(update("rollback", change), code, "keep")).toBe(keep);
    expect(short(update("rollback", change), code, "down")).toBe(down);
  });
});

describe("where CloudFormation could not be asked", () => {
  it.each<[string, Change, Announced, string, string]>([
    ["new migrations run", [one, more], more, "run", "run"],
    ["the same migrations run", [one, one], one, "run", "run"],
    ["older migrations are a return, by old code", [more, one], one, "keep", "undo"],
    ["older migrations are a return, by new code", [more, one], more, "keep", "undo"],
    [
      "a return that brings new ones checks them",
      [ahead, merged],
      merged,
      "check without failing",
      "undo, then run",
    ],
    ["a return that brings new ones is left to their code", [ahead, merged], ahead, "look", "undo"],
    ["other code than the event's looks only", [one, more], one, "look", "look"],
    ["a rollback of options by new code looks only", [optioned, one], optioned, "look", "look"],
  ])("%s", (_what, change, code, keep, down) => {
    expect(short(update("unknown", change), code, "keep")).toBe(keep);
    expect(short(update("unknown", change), code, "down")).toBe(down);
  });

  it("says nothing of a head or a count that the event does not have", () => {
    const { hash } = more;
    const silent: Announced = { hash, head: undefined, count: undefined, newest: [], options: undefined };
    expect(short(update("unknown", [silent, one]), one, "down")).toBe("run");
  });
});

describe("a return of which the events name the newest migrations alone", () => {
  const names = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index}_m`);
  const bounded = (...all: string[]): Announced => ({ ...version(...all), newest: all.slice(-20) });
  const before = bounded(...names(101, 140));

  it("brings nothing when the newest ones are gone alone", () => {
    expect(short(update("forward", [before, bounded(...names(101, 138))]), one)).toBe("keep");
  });

  it("brings one among the newest", () => {
    const now = bounded(...names(101, 130), "130_z", ...names(131, 138));
    expect(short(update("forward", [before, now]), now)).toBe("check");
  });

  it("brings one below those that are named, which only the number tells", () => {
    const now = bounded("100_old", ...names(101, 139));
    expect(short(update("forward", [before, now]), now)).toBe("check");
  });
});

describe("what a return undoes", () => {
  const undone = (before: Announced, now: Announced, code: Announced): string[] => {
    const decision = decide(update("rollback", [before, now]), codeOf(code, "down"));
    if (decision.kind !== "undo") throw new Error(`decided ${decision.kind}`);
    expect(decision.bundle).toBe(before.hash);
    return before.newest.filter((name) => !decision.isKept(name));
  };

  /** Only the newest names of a version, as templates hold them. */
  const cut = (whole: Announced, names: number): Announced => ({
    ...whole,
    newest: whole.newest.slice(-names),
  });

  it.each<[string, Announced, Announced, Announced, string[]]>([
    // what, the version returned from, the one returned to, the code that answers
    ["what came on top, old code", more, one, one, ["3_c", "4_d"]],
    ["what came on top, new code", more, one, more, ["3_c", "4_d"]],
    ["an older file, old code", filled, one, one, ["1_aa"]],
    ["an older file, new code", filled, one, filled, ["1_aa"]],
    ["a newer one in the numbers, new code", between, one, between, ["15_x"]],
    ["with few names in the event, new code", more, cut(one, 1), more, ["3_c", "4_d"]],
    ["an older file nobody can name: it stays", filled, cut(one, 1), filled, []],
  ])("%s", (_what, before, now, code, expected) => {
    expect(undone(before, now, code)).toEqual(expected);
  });
});
