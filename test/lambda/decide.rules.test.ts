import { describe, expect, it } from "@jest/globals";
import type { OnRollback } from "../../lambda/contract.ts";
import { type Decision, decide } from "../../lambda/deploy/decide.ts";
import type { Announced, DeployEvent } from "../../lambda/deploy/event.ts";

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
const optioned = { ...one, options: '{"order":"warn"}' };

const named = { resource: "stack/migrations", physicalId: "id" } as const;
const create = (now: Announced): DeployEvent => ({ ...named, type: "Create", now, physicalId: undefined });
const update = (before: Announced | undefined, now: Announced): DeployEvent => ({
  ...named,
  type: "Update",
  before,
  now,
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

const short = (decision: Decision) => {
  if (decision.kind === "keep") return "return";
  return decision.kind === "nothing" ? decision.why : decision.kind;
};

describe("what a deploy does", () => {
  it.each<[string, DeployEvent, Announced, string, string]>([
    // what, event, the code that answers, under keep, under down
    ["the first deploy", create(one), one, "run", "run"],
    ["new migrations", update(one, more), more, "run", "run"],
    ["an option or forceRun changed", update(one, one), one, "run", "run"],
    ["other options", update(one, optioned), optioned, "run", "run"],
    ["a rollback of options, by new code", update(optioned, one), optioned, "mismatch", "mismatch"],
    ["a rollback of options, by old code", update(optioned, one), one, "run", "run"],
    ["an edited file", update(one, edited), edited, "run", "run"],
    ["an older file added, the head stays", update(one, filled), filled, "run", "run"],
    ["many files put into one newer", update(more, squashed), squashed, "run", "run"],
    ["nothing known of before", update(undefined, one), one, "run", "run"],
    ["a rollback, answered by old code", update(more, one), one, "return", "undo"],
    ["a rollback, answered by new code", update(more, one), more, "return", "undo"],
    ["an older commit", update(more, one), one, "return", "undo"],
    ["a rollback of an older file", update(filled, one), one, "return", "undo"],
    ["a rollback of that, by new code", update(filled, one), filled, "return", "undo"],
    ["new event, old code", update(one, more), one, "mismatch", "mismatch"],
    ["first deploy, other code", create(more), one, "refuse", "refuse"],
    ["rollback of an edited file, by new code", update(edited, one), edited, "mismatch", "mismatch"],
    ["rollback of an edited file, by old code", update(edited, one), one, "run", "run"],
    ["delete", remove, one, "delete", "delete"],
  ])("%s", (_what, event, code, keep, down) => {
    expect(short(decide(event, codeOf(code, "keep")))).toBe(keep);
    expect(short(decide(event, codeOf(code, "down")))).toBe(down);
  });

  it("does not connect to keep the database, nor to delete; and looks when it may not touch", () => {
    expect(decide(update(more, one), codeOf(one))).toEqual({ kind: "keep", brought: [] });
    expect(decide(remove, codeOf(one))).toMatchObject({ look: false });
    expect(decide(update(one, more), codeOf(one))).toMatchObject({ look: true });
  });

  it("notices what a return brings, which nobody applies", () => {
    const merged = version("1_a", "2_b", "25_m");
    const reverted = version("1_a", "2_b", "25_m", "30_x");
    expect(decide(update(version("1_a", "2_b", "30_x"), merged), codeOf(merged))).toEqual({
      kind: "keep",
      brought: ["25_m"],
    });
    expect(decide(update(reverted, merged), codeOf(merged))).toMatchObject({ brought: [] });
    const cut = { ...version("1_a", "2_b", "30_x"), newest: ["30_x"] };
    expect(decide(update(cut, merged), codeOf(merged))).toMatchObject({ brought: [] });
  });

  it("says nothing of a head or a count that the event does not have", () => {
    const { hash } = more;
    const silent: Announced = { hash, head: undefined, count: undefined, newest: [], options: undefined };
    expect(short(decide(update(silent, one), codeOf(one, "down")))).toBe("run");
  });
});

describe("what a return undoes", () => {
  const undone = (before: Announced, now: Announced, code: Announced): string[] => {
    const decision = decide(update(before, now), codeOf(code, "down"));
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
