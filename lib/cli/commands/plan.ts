import { COMMANDS } from "../../commands/index.ts";
import type { PlanReport, PlanStep } from "../../core/index.ts";
import { count, defineCommand, parsed } from "../command.ts";
import { withContext } from "../context.ts";
import { DATABASE_FLAGS, type DatabaseFlags } from "../flags.ts";
import { type Printer, printFindings, printJson, visibleAll } from "../output/printer.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";

const { fields } = COMMANDS.plan;

export const plan = defineCommand({
  name: "plan",
  summary: COMMANDS.plan.summary,
  input: {
    count: parsed("[count]", fields.count.meaning, count),
    down: { ...fields.down, written: "--down" },
    to: { ...fields.to, written: "--to <name>" },
    batch: { ...fields.batch, written: "--batch" },
    from: { ...fields.from, written: "--from <source>" },
  },
  flags: DATABASE_FLAGS,
  run: (io, flags, input) => showPlan(io, flags, input),
});

type PlanInput = Parameters<typeof COMMANDS.plan.run>[1];

/** Exits with 1 when the run would be refused: a pipeline can check that before it runs anything. */
export async function showPlan(io: ProcessIo, flags: DatabaseFlags, input: PlanInput): Promise<number> {
  COMMANDS.plan.check?.(input);
  return withContext(
    io,
    flags,
    async ({ migrator, printer, remarks }) => {
      const report = await COMMANDS.plan.run(migrator, input);
      if (flags.json) {
        printJson(io, "plan", { ok: report.refusals.length === 0, ...report });
      } else {
        await printPlan(printer, report);
        printFindings(remarks, report);
      }
      return report.refusals.length > 0 ? EXIT.failed : EXIT.done;
    },
    io.stderr,
  );
}

/** Prints the SQL, in which passwords are masked. All else is comments: the output can be run as a file. */
async function printPlan(printer: Printer, plan: PlanReport): Promise<void> {
  const report = visibleAll(plan);
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
    if (step.sql?.length === 0)
      printer.line(colors.dim(step.note === undefined ? "-- no SQL" : `-- no SQL: ${step.note}`));
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
