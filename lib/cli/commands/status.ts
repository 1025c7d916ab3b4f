import { COMMANDS } from "../../commands/index.ts";
import type { BackgroundState, MigrationState, MigrationStatus, StatusReport } from "../../core/index.ts";
import { describeSession } from "../../postgres/index.ts";
import { defineCommand, toggle } from "../command.ts";
import { withContext } from "../context.ts";
import { DATABASE_FLAGS } from "../flags.ts";
import { type Colors, type Printer, printFindings, printJson, visibleAll } from "../output/printer.ts";
import { shareOf } from "../output/progress.ts";
import { printUses, printWaiting } from "../output/waiting.ts";
import { commandLine, EXIT } from "../process-io.ts";

export const status = defineCommand({
  name: "status",
  summary: COMMANDS.status.summary,
  input: {},
  flags: {
    check: toggle("--check", "exit with 3 when anything is pending, changed, partial or missing"),
    all: toggle("--all", "show old applied migrations too"),
    ...DATABASE_FLAGS,
  },
  run: (io, flags, input) =>
    withContext(io, flags, async ({ migrator, printer }) => {
      const report = await COMMANDS.status.run(migrator, input);
      const exitCode = flags.check && hasWork(report) ? EXIT.workFound : EXIT.done;
      if (flags.json) printJson(io, "status", { ok: exitCode === EXIT.done, ...report });
      else printStatus(printer, report, { all: flags.all === true, width: io.stdout.columns });
      return exitCode;
    }),
});

/** Everything but applied migrations is work. Migrations that only newer code has (ahead) are not, nor contracts that wait. */
function hasWork({ counts, waiting }: StatusReport): boolean {
  return counts.pending - waiting.length + counts.changed + counts.partial + counts.missing > 0;
}

const PAINT: Record<MigrationState, (colors: Colors) => (text: string) => string> = {
  applied: (colors) => colors.green,
  pending: (colors) => colors.yellow,
  changed: (colors) => colors.red,
  partial: (colors) => colors.red,
  missing: (colors) => colors.red,
  ahead: (colors) => colors.magenta,
};

/** How many migrations of each state are listed. */
const SHOWN = 20;
const STATE_COLUMN = "applied".length + 2;

interface StatusLayout {
  /** List every migration. */
  readonly all: boolean;
  /** Columns of the terminal; undefined if lines may have any length. */
  readonly width: number | undefined;
}

function printStatus(printer: Printer, status: StatusReport, layout: StatusLayout): void {
  const report = visibleAll(status);
  const { migrations, counts, refusals } = report;
  if (migrations.length === 0) {
    printer.line(`No migrations yet: ${commandLine("create", "<name>")} writes the first one.`);
    return;
  }
  for (const line of table(report, printer.colors, layout)) printer.verbatim(line);
  printer.line();
  printer.line(summary(report));
  printRunning(printer, report);
  if (report.running === null && counts.pending > report.waiting.length && refusals.length === 0) {
    const runs = migrations.some(({ state, note }) => state === "pending" && note === undefined);
    printer.line(
      runs
        ? `${commandLine("plan")} shows the SQL of what is pending, ${commandLine("up")} applies it.`
        : `${commandLine("up")} records what is pending and runs no SQL.`,
    );
  }
  printWaiting(printer, status.waiting);
  printUses(printer, status.uses);
  printFindings(printer, report);
}

/** One line for each migration. The state comes first: behind a long name it could be out of sight. */
function table(
  { migrations, running }: StatusReport,
  colors: Colors,
  { all, width }: StatusLayout,
): string[] {
  const shown = all ? new Set(migrations) : listed(migrations);
  const longest = Math.max(...[...shown].map(({ name }) => name.length));
  const hasRoom =
    width === undefined || 2 + STATE_COLUMN + longest + 2 + "2026-01-01 00:00:00 UTC".length <= width;
  const lines: string[] = [];
  let hidden = 0;
  const endGap = () => {
    if (hidden > 0) lines.push(colors.dim(`  … ${hidden} more (--all shows them)`));
    hidden = 0;
  };
  for (const migration of migrations) {
    if (!shown.has(migration)) {
      hidden += 1;
      continue;
    }
    endGap();
    const { name, state } = migration;
    const note = backfillNote(migration, running) ?? noteOf(migration, hasRoom);
    const rest = note === "" ? name : `${name.padEnd(longest)}  ${colors.dim(note)}`;
    lines.push(`  ${PAINT[state](colors)(state.padEnd(STATE_COLUMN))}${rest}`);
  }
  endGap();
  return lines;
}

/** The newest applied migrations, and the first ones of every other state. */
function listed(migrations: readonly MigrationStatus[]): Set<MigrationStatus> {
  const shown = new Set<MigrationStatus>();
  for (const state of Object.keys(PAINT)) {
    const same = migrations.filter((migration) => migration.state === state);
    const part = state === "applied" ? same.slice(-SHOWN) : same.slice(0, SHOWN);
    for (const migration of part) shown.add(migration);
  }
  return shown;
}

/** Undefined for migrations that are no backfill, or have not begun. */
function backfillNote({ backfill }: MigrationStatus, running: StatusReport["running"]): string | undefined {
  if (backfill === undefined) return undefined;
  return running !== null
    ? `backfilling, ${shareOf(backfill)}`
    : `backfilled to ${backfill.percent} %; up goes on`;
}

function noteOf(
  { appliedAt, statement, statements, background, note, waitsFor }: MigrationStatus,
  hasRoom: boolean,
): string {
  if (waitsFor !== undefined) return `waits, after ${waitsFor.after}`;
  if (note !== undefined) return `no SQL: ${note}`;
  if (statement !== undefined) {
    const reached = statements === undefined ? statement : `${statement} of ${statements}`;
    const done = `${reached} ${(statements ?? statement) === 1 ? "statement" : "statements"} done`;
    return background === undefined ? done : `${done}; ${describeBackground(background)}`;
  }
  return appliedAt === null || !hasRoom ? "" : `${appliedAt.slice(0, 19).replace("T", " ")} UTC`;
}

function describeBackground({ running, progress }: BackgroundState): string {
  if (!running) return "the next has ended in the background";
  if (progress === null) return "the next runs in the background";
  const share = progress.percent === null ? "" : `, ${Math.floor(progress.percent)} %`;
  return `building in the background${share} (${progress.phase})`;
}

/** The session that runs, and what a run may do about a statement that was left to the server. */
function printRunning(printer: Printer, { running, migrations }: StatusReport): void {
  const left = migrations.find(({ background }) => background !== undefined);
  const isLeft = running !== null && left?.background?.pid === running.pid;
  if (isLeft) {
    printer.line(`The server works on ${left.name}: ${describeSession(running)}.`);
    const { waitsFor = null } = left.background?.progress ?? {};
    if (waitsFor !== null) printer.line(`  It waits for ${describeSession(waitsFor)}.`);
    printer.line(`  ${commandLine("up")} waits for it; SELECT pg_cancel_backend(${running.pid}); stops it.`);
    return;
  }
  if (running !== null) printer.line(`A run is under way: ${describeSession(running)}.`);
  if (running === null && left !== undefined)
    printer.line(`${commandLine("up")} finds out what became of ${left.name}, and goes on from there.`);
}

function summary({ counts, head, waiting }: StatusReport): string {
  const waits = waiting.length === 0 ? "" : ` (${waiting.length} of them waiting)`;
  const parts = Object.entries(counts).flatMap(([state, count]) =>
    count > 0 ? [`${count} ${state}${state === "pending" ? waits : ""}`] : [],
  );
  return `${parts.join(", ")}; ${head === null ? "nothing is applied yet" : `head is ${head}`}.`;
}
