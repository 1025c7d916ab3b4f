import type { RunReport } from "../../core/index.ts";
import type { Extent } from "../../engine/index.ts";
import { commandLine } from "../world.ts";
import { duration } from "./duration.ts";
import { printFindings } from "./findings.ts";
import { amount, listNames } from "./names.ts";
import type { Printer } from "./printer.ts";
import { visibleAll } from "./visible.ts";

export type RunCommand = "up" | "down" | "redo";

export interface FinishedRun {
  readonly command: RunCommand;
  readonly extent: Extent;
  readonly report: RunReport;
  readonly fake: boolean;
}

const TABLES_SHOWN = 12;

/** The last lines of a run: what was done, where the database is, what comes next. */
export function printReport(printer: Printer, finished: FinishedRun): void {
  const run = visibleAll(finished);
  const { completed, head, pending, tables, warnings } = run.report;
  printer.line(completed.length === 0 ? nothingDone(run) : done(run));
  const rest = pending.length === 0 ? "nothing is pending" : `${amount(pending.length)} pending`;
  printer.line(`${head === null ? "No migration is applied" : `Head is ${head}`}; ${rest}.`);
  if (tables !== null && tables.length > 0) printer.line(`Tables: ${listNames(tables, TABLES_SHOWN)}.`);
  if (pending.length > 0 && run.command === "up") printer.line(`${commandLine("up")} applies the rest.`);
  printFindings(printer, { refusals: [], warnings });
}

function nothingDone({ command, extent, report: { head, pending } }: FinishedRun): string {
  const end = extent.to === undefined ? undefined : `"${extent.to}"`;
  if (command === "up") {
    if (pending.length > 0) return `Nothing to do: everything as far as ${end ?? "that"} is applied.`;
    return head === null ? "Nothing to do: there are no migrations yet." : "Nothing to do: all is applied.";
  }
  const what = command === "down" ? "undo" : "redo";
  if (head === null) return `Nothing to ${what}: no migration is applied.`;
  return `Nothing to ${what}: no migration was applied after ${end ?? "that"}.`;
}

function done({ command, fake, report: { completed } }: FinishedRun): string {
  const how = `in ${duration(completed.reduce((sum, { durationMs }) => sum + durationMs, 0))}.`;
  if (command === "redo") {
    return `Undid and applied again ${amount(completed.length / 2)} ${how}`;
  }
  const number = amount(completed.length);
  if (fake) {
    const change = command === "up" ? `Recorded ${number} as applied` : `Took ${number} off the record`;
    return `${change}; no SQL was run.`;
  }
  return `${command === "up" ? "Applied" : "Undid"} ${number} ${how}`;
}
