import { describe, expect, test } from "@jest/globals";
import { type SliceOutcome, sliceOutcome } from "../../lambda/runtime/slice.ts";
import { type ErrorCode, type ErrorDetails, MigrationError } from "../../lib/core/index.ts";

const deadline = (details: ErrorDetails = {}) => new MigrationError("DEADLINE", "time is up", details);
const progress = { rows: 500, written: 500, total: 900, percent: 55, rowsPerSecond: 100, leftMs: 4_000 };
const session = { pid: 7, startedAt: "2026-01-01T00:00:00.000Z" };

describe("the outcome of a slice that failed", () => {
  const ENDS: readonly (readonly [what: string, error: unknown, next: SliceOutcome])[] = [
    ["its time was up after it had applied one", deadline({ applied: ["1_a"] }), "continue"],
    ["its time was up after it had undone one", deadline({ applied: [], undone: ["2_b"] }), "continue"],
    ["its time was up before anything was done", deadline({ applied: [], undone: [] }), "failed"],
    ["its time was up before its run began", deadline(), "failed"],
    ["its backfill wrote a batch", deadline({ backfill: { ...progress, batches: 1 } }), "continue"],
    ["its backfill wrote none", deadline({ backfill: { ...progress, batches: 0 } }), "failed"],
    ["the server goes on with a statement", deadline({ background: session, partial: 0 }), "continue"],
    ["a migration stopped half-way", deadline({ applied: ["1_a"], partial: 1 }), "failed"],
    [
      "it has applied one and the next one fails",
      new MigrationError("SQL", "", { applied: ["1_a"] }),
      "failed",
    ],
    ["it was cancelled", new MigrationError("CANCELLED", "stopped", { applied: ["1_a"] }), "failed"],
    ["the code has a defect", new TypeError("undefined is not a function"), "failed"],
  ];
  test.each(ENDS)("a slice whose run failed is judged: %s", (_, error, next) => {
    expect(sliceOutcome({ error }, {})).toBe(next);
  });

  test("a slice is followed by another one while a run of hours holds the lock, unless the user has set lockWait", () => {
    const error = new MigrationError("LOCK_HELD" satisfies ErrorCode, "held by another run");
    expect(sliceOutcome({ error }, {})).toBe("continue");
    expect(sliceOutcome({ error }, { lockWaitMs: 0 })).toBe("failed");
    expect(sliceOutcome({ error }, { lockWaitMs: 10_000 })).toBe("failed");
  });
});

describe("the outcome of a slice that succeeded", () => {
  test.each([
    [{ completed: [], background: null }, "done"],
    [{ completed: [], background: { migration: "2_b", statement: 1, ...session } }, "continue"],
    [{ entries: [] }, "done"],
  ] as const)("a slice that ended with the report %j is: %s", (report, next) => {
    expect(sliceOutcome({ report }, {})).toBe(next);
  });
});
