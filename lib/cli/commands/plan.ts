import { resolve } from "node:path";
import * as v from "valibot";
import { findAgent, readProvenance } from "../../client/index.ts";
import { COMMANDS, writePlan } from "../../commands/index.ts";
import {
  describeSize,
  given,
  type PlannedBackfill,
  type PlanReport,
  type PlanStep,
  property,
  type ResumedStep,
  SMALL_TABLE_BYTES,
} from "../../core/index.ts";
import { maskedPlan } from "../../engine/index.ts";
import { describeProgress } from "../../postgres/index.ts";
import { mentions } from "../../sql/index.ts";
import { databaseOf } from "../approval.ts";
import { count, defineCommand, parsed, plainSeconds, text } from "../command.ts";
import { requireMeasuring } from "../confirm.ts";
import { type Context, withContext } from "../context.ts";
import { CONFIRM_FLAGS, DATABASE_FLAGS, type DatabaseFlags, PREFLIGHT_FLAGS } from "../flags.ts";
import { replaceOwn } from "../output/file-system.ts";
import { measuredLines, summaryOf } from "../output/measured.ts";
import { type Printer, printFindings, printJson, visibleAll } from "../output/printer.ts";
import { printUses, printWaiting } from "../output/waiting.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";
import { isOwnDatabase } from "../settings/target.ts";

const { fields } = COMMANDS.plan;

const someSeconds = v.pipe(plainSeconds, v.gtValue(0, "It must be more than 0."));

function inFlags(meaning: string): string {
  return meaning.replace("`measure`", "--measure");
}

export const plan = defineCommand({
  name: "plan",
  summary: COMMANDS.plan.summary,
  input: {
    count: parsed("[count]", fields.count.meaning, count),
    down: { ...fields.down, written: "--down" },
    redo: { ...fields.redo, written: "--redo" },
    to: { ...fields.to, written: "--to <name>" },
    batch: { ...fields.batch, written: "--batch" },
    from: { ...fields.from, written: "--from <source>" },
    contract: { ...fields.contract, written: "--contract <name>" },
    measure: { ...fields.measure, written: "--measure" },
    maxLock: parsed("--max-lock <seconds>", `with --measure: ${fields.maxLock.meaning}`, plainSeconds),
    lockTimeout: parsed("--lock-timeout <seconds>", inFlags(fields.lockTimeout.meaning), someSeconds),
    statementTimeout: parsed(
      "--statement-timeout <seconds>",
      inFlags(fields.statementTimeout.meaning),
      someSeconds,
    ),
  },
  flags: {
    out: text("--out <file>", "write the plan to a file too, which `--plan` of a run takes"),
    ...CONFIRM_FLAGS,
    ...DATABASE_FLAGS,
    ...PREFLIGHT_FLAGS,
  },
  run: (io, flags, input) => showPlan(io, flags, input),
});

type PlanInput = Parameters<typeof COMMANDS.plan.run>[1];

interface PlanFlags extends DatabaseFlags {
  readonly out?: string | undefined;
  readonly yes?: boolean | undefined;
}

/** Exits with 1 when the run would be refused, or the plan cannot be approved: a pipeline can check that before a run. */
export async function showPlan(io: ProcessIo, flags: PlanFlags, input: PlanInput): Promise<number> {
  COMMANDS.plan.check?.(input);
  return withContext(
    io,
    flags,
    async (context) => {
      const { printer, remarks, target } = context;
      if (input.measure) await requireMeasuring(io, target, { command: "plan", flags });
      const report = await makePlan(io, context, input);
      const { out } = flags;
      // Before anything is printed: with --json, an error is the only object.
      const written = out === undefined ? [] : await writePlanFile(io, context, { report, input, out });
      const ok = report.refusals.length === 0 && written !== undefined;
      if (flags.json) {
        printJson(io, "plan", { ok, ...report });
      } else {
        await printPlan(printer, report);
        printWaiting(remarks, report.waiting);
        printUses(remarks, report.uses);
        printFindings(remarks, report);
        if (report.measured !== undefined) remarks.line(summaryOf(report.measured));
      }
      const why = report.refusals.length > 0 ? "the run would be refused" : "the plan cannot be approved";
      for (const line of written ?? [`${out} was not written: ${why}.`]) remarks.line(line);
      return ok ? EXIT.done : EXIT.failed;
    },
    io.stderr,
  );
}

/** A redo is planned as `redo` runs it on this database. */
async function makePlan(io: ProcessIo, { migrator, target }: Context, input: PlanInput): Promise<PlanReport> {
  if (!input.redo) return COMMANDS.plan.run(migrator, input);
  const { down: _, redo: __, ...extent } = input;
  return maskedPlan(await migrator.planRedo({ ...extent, preferHistory: isOwnDatabase(target, io) }));
}

interface PlanToWrite {
  readonly report: PlanReport;
  readonly input: PlanInput;
  readonly out: string;
}

/** Returns what to say about it; undefined for a plan that cannot be approved. */
async function writePlanFile(
  io: ProcessIo,
  { source, target }: Context,
  { report, input, out }: PlanToWrite,
): Promise<string[] | undefined> {
  const { digest, action, head, schema, steps } = report;
  if (digest === null) return undefined;
  const isPart = input.count !== undefined || input.to !== undefined;
  const to = action === "up" && isPart ? (steps.at(-1)?.migration ?? head ?? undefined) : undefined;
  const agent = findAgent(io.env) ?? null;
  const text = writePlan({
    version: 1,
    ...{ action, digest, head, schema, steps, ...given({ to, from: input.from }) },
    database: databaseOf(target),
    actor: readProvenance(source.dir).actor,
    agent,
  });
  const path = resolve(io.cwd, out);
  const named = input.contract === undefined ? "" : ` --contract ${input.contract}`;
  const hint = "Choose another file with --out, or delete this one first.";
  await replaceOwn(path, text, { command: "plan", isOwn: isPlan, hint });
  return [
    `The plan is in ${out}; its digest is ${digest}.`,
    agent === null
      ? `${commandLine(action, `--plan ${out}${named}`)} runs exactly that, or nothing.`
      : `It was made for a coding agent (${agent} is set): it approves nothing, a person has to make it again.`,
  ];
}

function isPlan(text: string): boolean {
  try {
    return property(JSON.parse(text), "steps") !== undefined;
  } catch {
    return false;
  }
}

/** Prints the SQL, in which passwords are masked. All else is comments: the output can be run as a file. */
export async function printPlan(printer: Printer, plan: PlanReport): Promise<void> {
  const report = visibleAll(plan);
  const { colors } = printer;
  const paint = colors.isColorSupported ? (await import("sql-highlight")).highlight : (sql: string) => sql;
  if (report.steps.length === 0) printer.line(`-- ${nothing(report)}`);
  for (const step of report.steps) {
    printer.line(
      colors.bold(`-- ${step.migration} (${step.direction}${transactionNote(step)}${sourceNote(step)})`),
    );
    const measured = report.measured?.find(({ migration }) => migration === step.migration);
    if (measured !== undefined) for (const line of measuredLines(measured)) printer.line(line);
    if (step.dynamic) {
      printer.line(
        colors.yellow("-- dynamic: built from what the database answers, may differ when it runs"),
      );
    }
    if (step.sql === null) {
      printer.line(colors.yellow("-- its SQL is known only when the migrations before it have run"));
    }
    if (step.resumes !== undefined)
      for (const line of resumeLines(step.resumes)) printer.line(colors.yellow(`-- ${line}`));
    for (const note of sizeNotes(step, report)) printer.line(colors.dim(note));
    if (step.backfill !== undefined) printer.line(`-- ${describeBackfill(step.backfill)}`);
    if (step.sql?.length === 0)
      printer.line(colors.dim(step.note === undefined ? "-- no SQL" : `-- no SQL: ${step.note}`));
    for (const text of step.sql ?? []) printer.verbatim(paint(text.trim()));
    printer.line();
  }
}

/** The large tables that a step names. */
function sizeNotes({ sql }: PlanStep, { tables = [] }: PlanReport): string[] {
  return tables
    .filter(({ name, bytes }) => bytes > SMALL_TABLE_BYTES && sql?.some((text) => mentions(text, name)))
    .map((table) => `-- ${table.schema}.${table.name} has ${describeSize(table)}`);
}

function nothing({ refusals }: PlanReport): string {
  return refusals.length > 0 ? "No SQL would run." : "Nothing to do: no SQL would run.";
}

/** Lines, because a session that waits does not fit behind the statement. */
function resumeLines({ statement, background }: ResumedStep): string[] {
  if (background === undefined) return [`a run goes on with statement ${statement}`];
  const { pid, running, progress } = background;
  if (!running)
    return [
      `statement ${statement} has ended in the background: a run finds out whether it took`,
      "effect, and goes on from there",
    ];
  const how = progress === null ? "" : `: ${describeProgress(progress)}`;
  return [
    `the server works on statement ${statement} in the background (pid ${pid})${how}`,
    "a run waits for that, and goes on from there",
  ];
}

function describeBackfill({ table, key, rows }: PlannedBackfill): string {
  const order = key === null ? "its primary key" : key.join(", ");
  const size = rows === null ? "" : `, about ${rows.toLocaleString("en")} rows`;
  return `runs in batches over ${table} by ${order}${size}; :batch becomes the condition on the key`;
}

function transactionNote({ transactional, backfill }: PlanStep): string {
  if (backfill !== undefined) return ", backfill";
  return transactional === false ? ", no transaction" : "";
}

function sourceNote({ source }: PlanStep): string {
  return source === "history" ? ", as stored when it was applied" : "";
}
