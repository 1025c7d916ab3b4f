import type { PlanReport, PlanStep } from "../../core/index.ts";
import type { Printer } from "./printer.ts";
import { visibleAll } from "./visible.ts";

/** The SQL of a plan, whose passwords are masked. All else is comments: what is piped into a file can be run. */
export async function printPlan(printer: Printer, given: PlanReport): Promise<void> {
  const report = visibleAll(given);
  const { colors } = printer;
  const paint = colors.isColorSupported ? (await import("sql-highlight")).highlight : (sql: string) => sql;
  if (report.steps.length === 0) printer.line(`-- ${nothing(report)}`);
  for (const step of report.steps) {
    printer.line(
      colors.bold(`-- ${step.migration} (${step.direction}${transactionNote(step)}${sourceNote(step)})`),
    );
    if (step.dynamic) {
      printer.line(
        colors.yellow("-- dynamic: built from what the database answers, may differ when it runs"),
      );
    }
    if (step.sql === null) {
      printer.line(colors.yellow("-- its SQL is known only when the migrations before it have run"));
    }
    if (step.sql?.length === 0) printer.line(colors.dim("-- no SQL"));
    for (const text of step.sql ?? []) printer.verbatim(paint(text.trim()));
    printer.line();
  }
}

function nothing({ refusals }: PlanReport): string {
  return refusals.length > 0 ? "No SQL would run." : "Nothing to do: no SQL would run.";
}

function transactionNote({ transactional }: PlanStep): string {
  return transactional === false ? ", no transaction" : "";
}

function sourceNote({ source }: PlanStep): string {
  return source === "history" ? ", as stored when it was applied" : "";
}
