import { COMMANDS } from "../../commands/index.ts";
import type { RunReport } from "../../core/index.ts";
import type { Extent, Migrator } from "../../engine/index.ts";
import { count, defineCommand, parsed, toggle } from "../command.ts";
import { withContext } from "../context.ts";
import { type DatabaseFlags, RUN_FLAGS } from "../flags.ts";
import {
  amount,
  duration,
  listNames,
  type Printer,
  printFindings,
  printJson,
  visibleAll,
} from "../output/printer.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";
import { isOwnDatabase, type Target } from "../settings/target.ts";
import { showPlan } from "./plan.ts";

const dryRun = toggle("--dry-run", "show the SQL, run nothing");

const upFields = COMMANDS.up.fields;

export const up = defineCommand({
  name: "up",
  summary: COMMANDS.up.summary,
  input: {
    count: parsed("[count]", upFields.count.meaning, count),
    to: { ...upFields.to, written: "--to <name>" },
    fake: { ...upFields.fake, written: "--fake" },
  },
  flags: { dryRun, ...RUN_FLAGS },
  run: (io, flags, input) => {
    const { fake, ...extent } = input;
    if (flags.dryRun) return showPlan(io, flags, extent);
    return run(io, { command: "up", flags, extent, fake }, (migrator) => COMMANDS.up.run(migrator, input));
  },
});

const downFields = COMMANDS.down.fields;

const undoInput = {
  count: parsed("[count]", downFields.count.meaning, count),
  batch: { ...downFields.batch, written: "--batch" },
  from: { ...downFields.from, written: "--from <source>" },
};

export const down = defineCommand({
  name: "down",
  summary: COMMANDS.down.summary,
  input: {
    ...undoInput,
    to: { ...downFields.to, written: "--to <name>" },
    fake: { ...downFields.fake, written: "--fake" },
  },
  flags: { dryRun, ...RUN_FLAGS },
  run: (io, flags, input) => {
    const { fake, ...extent } = input;
    if (flags.dryRun) return showPlan(io, flags, { ...extent, down: true });
    return run(io, { command: "down", flags, extent, fake }, (migrator) =>
      COMMANDS.down.run(migrator, input),
    );
  },
});

export const redo = defineCommand({
  name: "redo",
  summary: COMMANDS.redo.summary,
  input: undoInput,
  flags: RUN_FLAGS,
  // On a developer's own database, the down of an edited file may not fit what was applied: the stored one does.
  run: (io, flags, input) =>
    run(io, { command: "redo", flags, extent: input }, (migrator, target) =>
      migrator.redo({ ...input, preferHistory: isOwnDatabase(target, io) }),
    ),
});

interface Run {
  readonly command: RunCommand;
  readonly flags: DatabaseFlags;
  readonly extent: { readonly count?: number; readonly to?: string };
  readonly fake?: boolean | undefined;
}

function run(
  io: ProcessIo,
  { command, flags, extent, fake = false }: Run,
  perform: (migrator: Migrator, target: Target) => Promise<RunReport>,
): Promise<number> {
  return withContext(io, flags, async ({ migrator, printer, target }) => {
    const report = await perform(migrator, target);
    if (flags.json) printJson(io, command, report);
    else printReport(printer, { command, extent, report, fake });
    return EXIT.done;
  });
}

type RunCommand = "up" | "down" | "redo";

interface FinishedRun {
  readonly command: RunCommand;
  readonly extent: Extent;
  readonly report: RunReport;
  readonly fake: boolean;
}

const TABLES_SHOWN = 12;

/** The last lines of a run: what it did, the state of the database, what comes next. */
function printReport(printer: Printer, finished: FinishedRun): void {
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
