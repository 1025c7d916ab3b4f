import type { MigrationState, MigrationStatus, StatusReport } from "../../core/index.ts";
import { describeSession } from "../../postgres/index.ts";
import { commandLine } from "../world.ts";
import { printFindings } from "./findings.ts";
import type { Colors, Printer } from "./printer.ts";
import { visibleAll } from "./visible.ts";

const PAINT: Record<MigrationState, (colors: Colors) => (text: string) => string> = {
  applied: (colors) => colors.green,
  pending: (colors) => colors.yellow,
  changed: (colors) => colors.red,
  partial: (colors) => colors.red,
  missing: (colors) => colors.red,
  ahead: (colors) => colors.magenta,
};

/** Of each state; more of the same tells nothing new. */
const SHOWN = 20;
const STATE_COLUMN = "applied".length + 2;

export interface StatusLayout {
  /** Every migration, however many there are. */
  readonly all: boolean;
  /** Columns of the terminal; undefined where lines may be of any length. */
  readonly width: number | undefined;
}

export function printStatus(printer: Printer, given: StatusReport, layout: StatusLayout): void {
  const report = visibleAll(given);
  const { migrations, counts, refusals } = report;
  if (migrations.length === 0) {
    printer.line(`No migrations yet: ${commandLine("create", "<name>")} writes the first one.`);
    return;
  }
  for (const line of table(migrations, printer.colors, layout)) printer.verbatim(line);
  printer.line();
  printer.line(summary(report));
  if (report.running !== null) printer.line(`A run is under way: ${describeSession(report.running)}.`);
  if (report.running === null && counts.pending > 0 && refusals.length === 0) {
    printer.line(`${commandLine("plan")} shows the SQL of what is pending, ${commandLine("up")} applies it.`);
  }
  printFindings(printer, report);
}

/** One line a migration. The state comes first, so that it stays in sight however long the names are. */
function table(
  migrations: readonly MigrationStatus[],
  colors: Colors,
  { all, width }: StatusLayout,
): string[] {
  const shown = all ? new Set(migrations) : worthShowing(migrations);
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
    const note = noteOf(migration, hasRoom);
    const rest = note === "" ? name : `${name.padEnd(longest)}  ${colors.dim(note)}`;
    lines.push(`  ${PAINT[state](colors)(state.padEnd(STATE_COLUMN))}${rest}`);
  }
  endGap();
  return lines;
}

/** The newest of what was applied, the first of everything that waits for something. */
function worthShowing(migrations: readonly MigrationStatus[]): Set<MigrationStatus> {
  const shown = new Set<MigrationStatus>();
  for (const state of Object.keys(PAINT)) {
    const same = migrations.filter((migration) => migration.state === state);
    const part = state === "applied" ? same.slice(-SHOWN) : same.slice(0, SHOWN);
    for (const migration of part) shown.add(migration);
  }
  return shown;
}

function noteOf({ appliedAt, statement, statements }: MigrationStatus, hasRoom: boolean): string {
  if (statement !== undefined) {
    const reached = statements === undefined ? statement : `${statement} of ${statements}`;
    return `${reached} ${(statements ?? statement) === 1 ? "statement" : "statements"} done`;
  }
  return appliedAt === null || !hasRoom ? "" : `${appliedAt.slice(0, 19).replace("T", " ")} UTC`;
}

function summary({ counts, head }: StatusReport): string {
  const parts = Object.entries(counts).flatMap(([state, count]) => (count > 0 ? [`${count} ${state}`] : []));
  return `${parts.join(", ")}; ${head === null ? "nothing is applied yet" : `head is ${head}`}.`;
}
