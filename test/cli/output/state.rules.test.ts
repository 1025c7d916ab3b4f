import { describe, expect, it } from "@jest/globals";
import { stateAfter } from "../../../lib/cli/output/after-failure.ts";
import { type ErrorCode, type ErrorDetails, MigrationError } from "../../../lib/core/index.ts";

const NAMES = ["1_a", "2_b", "3_c", "4_d"];
const stateOf = (command: string, code: ErrorCode, details: ErrorDetails): string =>
  stateAfter(command, new MigrationError(code, "it failed", details)).join("\n");

describe("what a stopped run has left", () => {
  it("of a migration alone: what came before stays", () => {
    const details = { migration: "2_b", applied: ["1_a"], remaining: NAMES.slice(1) };
    expect(stateOf("up", "SQL", details)).toBe(
      "Applied and kept: 1_a.\nRolled back: 2_b.\nNot started: 3_c, 4_d.",
    );
  });

  it("of several in one transaction: all up to it are rolled back", () => {
    const text = stateOf("up", "CANCELLED", { migration: "3_c", applied: [], remaining: NAMES });
    expect(text).toMatch(/^Applied and kept: nothing\.\nRolled back: 1_a, 2_b, 3_c\.\nNot started: 4_d\.\n/);
  });

  it("with a COMMIT that was not answered: none of its migrations is said to be rolled back", () => {
    const details = { migration: "3_c", applied: [], remaining: NAMES, inDoubt: NAMES.slice(0, 3) };
    expect(stateOf("up", "CONNECTION", details)).toMatch(
      /^Applied and kept: nothing\.\nNot started: 4_d\.\nNot known: 1_a, 2_b, 3_c\. .*status.* tells what is applied\.$/,
    );
  });

  it("without a connection and without a COMMIT: nothing is in doubt", () => {
    const text = stateOf("up", "CONNECTION", { migration: "2_b", applied: [], remaining: NAMES });
    expect(text).toMatch(/^Applied and kept: nothing\.\nRolled back: 1_a, 2_b\.\nNot started: 3_c, 4_d\.$/);
  });

  it("outside a transaction: partly applied", () => {
    const details = { migration: "2_b", applied: ["1_a"], remaining: NAMES.slice(1), partial: 1 };
    const text = stateOf("up", "SQL", details);
    expect(text).toContain("Partly applied: 2_b");
    expect(text).not.toContain("Rolled back");
  });

  it("of a redo in doubt: it is not said to be undone", () => {
    const details = { migration: "1_a", applied: [], undone: ["1_a"], remaining: ["1_a"], inDoubt: ["1_a"] };
    expect(stateOf("redo", "CONNECTION", details)).toMatch(/^Not known: 1_a\./);
  });
});
