import { type MeasuredMigration, measuredFacts } from "../../core/index.ts";
import { amount, wrap } from "./printer.ts";

/** Columns of a terminal, without what begins a line. The output is a file of SQL, whose comments are kept short. */
const COLUMNS = 73;

/** What a migration did when it was measured, as comments of SQL. */
export function measuredLines(measured: MeasuredMigration): string[] {
  return measuredFacts(measured).flatMap((fact) =>
    wrap(fact, COLUMNS).map((line, index) => `--   ${index === 0 ? "" : "  "}${line}`),
  );
}

/** The last line: how much of the plan was measured. */
export function summaryOf(measured: readonly MeasuredMigration[]): string {
  const seen = measured.filter(({ outcome }) => outcome === "measured").length;
  if (measured.length === 0) return "Nothing to measure: nothing is pending.";
  const of = seen === measured.length ? amount(seen) : `${seen} of ${amount(measured.length)}`;
  return `Measured ${of}, and rolled everything back.`;
}
