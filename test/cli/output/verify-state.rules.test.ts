import { describe, expect, test } from "@jest/globals";
import { stateAfter } from "../../../lib/cli/output/after-failure.ts";
import { MigrationError } from "../../../lib/core/index.ts";

describe("what a stopped verify has left", () => {
  test("the report speaks of no migration as applied, and of no run that goes on", () => {
    const details = { applied: ["1_a"], remaining: ["2_b"], migration: "2_b" };
    expect(stateAfter("verify", new MigrationError("CANCELLED", "cancelled", details))).toEqual([
      "No database but its scratch database was changed.",
    ]);
    expect(stateAfter("verify", new MigrationError("CONNECTION", "lost", details))).toEqual([]);
  });
});
