import type { HistoryReport, HistoryRow } from "../../core/index.ts";
import { duration } from "./duration.ts";
import type { Colors, Printer } from "./printer.ts";
import { visible, visibleAll } from "./visible.ts";

/** Newest first: when, what, which, how it ended; below it who, from where, and why. */
export function printHistory(printer: Printer, report: HistoryReport, migration?: string): void {
  const { entries } = visibleAll(report);
  if (entries.length === 0) printer.line(nothingRecorded(migration));
  for (const entry of entries) for (const line of describe(entry, printer.colors)) printer.line(line);
}

function nothingRecorded(migration: string | undefined): string {
  return migration === undefined
    ? "Nothing is recorded yet."
    : visible(`Nothing like that is recorded of a migration "${migration}".`);
}

function describe(entry: HistoryRow, colors: Colors): string[] {
  const { action, migration, durationMs, noTransaction, statement } = entry;
  const paint = { finished: colors.green, failed: colors.red, started: colors.yellow }[entry.state];
  const ending = entry.state === "failed" ? `failed ${entry.errorCode ?? ""}`.trim() : entry.state;
  const took = durationMs === null ? "" : ` in ${duration(durationMs)}`;
  const reached = noTransaction && statement !== null ? `, statements done: ${statement}` : "";
  const when = entry.at.slice(0, 19).replace("T", " ");
  const origin = [entry.actor, entry.origin, entry.revision?.slice(0, 12), entry.tool].filter((part) => part);
  const note = entry.note === null ? [] : [`    ${entry.note}`];
  return [
    `${colors.dim(`${when} UTC`)}  ${action.padEnd(8)} ${migration}  ${paint(ending)}${took}${reached}`,
    colors.dim(`    ${origin.join(" · ")}`),
    ...note,
  ];
}
