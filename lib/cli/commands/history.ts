import { COMMANDS } from "../../commands/index.ts";
import type { HistoryFilter, HistoryReport, HistoryRow } from "../../core/index.ts";
import { defineCommand, parsed, positive, toggle } from "../command.ts";
import { withDatabase } from "../context.ts";
import { DATABASE_FLAGS } from "../flags.ts";
import { type Colors, duration, type Printer, printJson, visible, visibleAll } from "../output/printer.ts";
import { EXIT } from "../process-io.ts";

const { fields } = COMMANDS.history;

export const history = defineCommand({
  name: "history",
  summary: COMMANDS.history.summary,
  input: {
    migration: { ...fields.migration, written: "--migration <name>" },
    action: { ...fields.action, written: "--action <action>" },
    state: { ...fields.state, written: "--state <state>" },
    limit: parsed("--limit <number>", fields.limit.meaning, positive),
  },
  flags: {
    failed: {
      ...toggle("--failed", "only what failed, as --state failed"),
      conflicts: ["state"],
    },
    ...DATABASE_FLAGS,
  },
  run: (io, flags, input) => {
    const filter = flags.failed ? { ...input, state: "failed" as const } : input;
    return withDatabase(io, flags, async ({ migrator, printer }) => {
      const report = await COMMANDS.history.run(migrator, filter);
      if (flags.json) printJson(io, "history", report);
      else printHistory(printer, report, filter);
      return EXIT.done;
    });
  },
});

/** Two or three lines for each entry: when, what, which migration, the result; then who, from where, and the note. */
function printHistory(printer: Printer, report: HistoryReport, filter: HistoryFilter): void {
  const { entries } = visibleAll(report);
  if (entries.length === 0) printer.line(nothingRecorded(filter));
  for (const entry of entries) for (const line of describe(entry, printer.colors)) printer.line(line);
}

function nothingRecorded({ migration, action, state }: HistoryFilter): string {
  if (migration !== undefined) return visible(`Nothing like that is recorded of a migration "${migration}".`);
  const isFiltered = action !== undefined || state !== undefined;
  return isFiltered ? "Nothing like that is recorded." : "Nothing is recorded yet.";
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
