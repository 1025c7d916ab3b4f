import { stripVTControlCharacters } from "node:util";
import { expect, test } from "@jest/globals";
import { createFleetProgress, printSummary } from "../../../lib/cli/fleet/output.ts";
import { createPrinter } from "../../../lib/cli/output/printer.ts";
import { failedOutcome, type Outcome, parseTargets, planWaves, summarize } from "../../../lib/fleet/index.ts";
import { createIo } from "../process-io.ts";

const LONG = `20260101_${"a-very-long-name-".repeat(8)}`;
const names = Array.from({ length: 50 }, (_, index) => `tenant_with_a_rather_long_name_${index}`);
const targets = parseTargets(names, { source: "x", database: { host: "h", port: 1, database: "d" } });
const waves = planWaves(targets, { canary: 2, concurrency: 9, perServer: 9, tolerated: 1 });

function outcomeOf(target: string): Outcome {
  return { target, outcome: "done", head: LONG, completed: 1, pending: 0 };
}

/** What two waves write, the first with a failure. */
function show(columns?: number): string {
  const io = createIo(columns);
  const observe = createFleetProgress(io, io.stdout);
  const [canary] = waves;
  if (canary === undefined) throw new Error("there is no canary");
  observe({ type: "wave-started", wave: canary });
  for (const target of names.slice(0, 9)) observe({ type: "target-started", target });
  observe({ type: "target-ended", outcome: outcomeOf(names[0] ?? ""), durationMs: 20 });
  const failed = failedOutcome(names[1] ?? "", new Error(`one\u001b[31m\ntwo`));
  observe({ type: "target-ended", outcome: failed, durationMs: 20 });
  observe({ type: "wave-ended", wave: canary, failed: 1, untouched: 3 });
  return io.written();
}

test("on a terminal, a wave is one line that fits, and in the end a line that stays", () => {
  const written = show(80);
  const steps = written.split("\r\u001b[2K").map((part) => stripVTControlCharacters(part));
  expect(Math.max(...steps.map((step) => step.split("\n")[0]?.length ?? 0))).toBeLessThan(80);
  expect(steps.at(-1)).toMatch(/^ {2}✗ canary: 1 done, 1 failed, 3 untouched \d+ ms\n$/);
  expect(written.split("\n")).toHaveLength(2);
});

test("in a pipe, each target is one line without control characters", () => {
  const lines = show().split("\n");
  expect(lines.slice(0, 2)).toEqual([
    `  ✓ ${names[0]}: 1 migration, head is ${LONG} 20 ms`,
    `  ✗ ${names[1]}: INTERNAL: one\\u001b[31m 20 ms`,
  ]);
  expect(lines).toHaveLength(4);
});

test("the table of versions fits into 80 columns, and reasons of one kind are bounded", () => {
  const io = createIo(80);
  const outcomes = [
    outcomeOf("a"),
    ...names.map((name) => failedOutcome(name, new Error(`cannot reach ${name}`))),
  ];
  printSummary(createPrinter(io, io.stdout), summarize(outcomes, 0), outcomes, 80);
  const lines = stripVTControlCharacters(io.written()).split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(lines[1]).toMatch(/^20260101_a-very.*… {8}1 {8}0$/);
  expect(lines.join(" ").replace(/\s+/g, " ")).toContain("(and 49 others like it, which --json has)");
});
