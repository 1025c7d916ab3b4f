import { describe, expect, it } from "@jest/globals";
import { stateAfter } from "../../../lib/cli/output/after-failure.ts";
import { type ErrorCode, type ErrorDetails, MigrationError } from "../../../lib/core/index.ts";

const NAMES = ["1_a", "2_b", "3_c", "4_d"];
const stateOf = (command: string, code: ErrorCode, details: ErrorDetails): string =>
  stateAfter(command, new MigrationError(code, "it failed", details)).join("\n");

describe("what a stopped run has left", () => {
  it("a failed migration in its own transaction leaves the ones before it applied", () => {
    const details = { migration: "2_b", applied: ["1_a"], remaining: NAMES.slice(1) };
    expect(stateOf("up", "SQL", details)).toBe(
      "Applied and kept: 1_a.\nRolled back: 2_b.\nNot started: 3_c, 4_d.",
    );
  });

  it("a failed migration in a shared transaction rolls back the ones before it", () => {
    const text = stateOf("up", "CANCELLED", { migration: "3_c", applied: [], remaining: NAMES });
    expect(text).toMatch(/^Applied and kept: nothing\.\nRolled back: 1_a, 2_b, 3_c\.\nNot started: 4_d\.\n/);
  });

  it("no migration behind an unanswered COMMIT is said to be rolled back", () => {
    const details = { migration: "3_c", applied: [], remaining: NAMES, inDoubt: NAMES.slice(0, 3) };
    expect(stateOf("up", "CONNECTION", details)).toMatch(
      /^Applied and kept: nothing\.\nNot started: 4_d\.\nNot known: 1_a, 2_b, 3_c\. .*status.* tells what is applied\.$/,
    );
  });

  it("a lost connection without a COMMIT leaves nothing in doubt", () => {
    const text = stateOf("up", "CONNECTION", { migration: "2_b", applied: [], remaining: NAMES });
    expect(text).toMatch(/^Applied and kept: nothing\.\nRolled back: 1_a, 2_b\.\nNot started: 3_c, 4_d\.$/);
  });

  it("a failed migration outside a transaction is partly applied", () => {
    const details = { migration: "2_b", applied: ["1_a"], remaining: NAMES.slice(1), partial: 1 };
    const text = stateOf("up", "SQL", details);
    expect(text).toContain("Partly applied: 2_b");
    expect(text).not.toContain("Rolled back");
  });

  it("a redo in doubt is not said to be undone", () => {
    const details = { migration: "1_a", applied: [], undone: ["1_a"], remaining: ["1_a"], inDoubt: ["1_a"] };
    expect(stateOf("redo", "CONNECTION", details)).toMatch(/^Not known: 1_a\./);
  });
});
