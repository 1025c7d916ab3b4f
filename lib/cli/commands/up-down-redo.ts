import { COMMANDS, requireContractOfNote } from "../../commands/index.ts";
import { given, MigrationError, type RunReport, type SchemaChange } from "../../core/index.ts";
import type { DownOptions, Extent, Migrator } from "../../engine/index.ts";
import {
  type Action,
  adviseToPlanAgain,
  type GivenApproval,
  planArguments,
  readApproval,
} from "../approval.ts";
import { count, defineCommand, parsed, plainSeconds, text, toggle } from "../command.ts";
import { requireConsent } from "../confirm.ts";
import { withContext } from "../context.ts";
import { CONFIRM_FLAGS, type DatabaseFlags, PREFLIGHT_FLAGS, RUN_FLAGS } from "../flags.ts";
import {
  amount,
  duration,
  listNames,
  type Printer,
  printFindings,
  printJson,
  visibleAll,
} from "../output/printer.ts";
import { printWaiting } from "../output/waiting.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";
import { isOwnDatabase, type Target } from "../settings/target.ts";
import { showPlan } from "./plan.ts";

const dryRun = { ...toggle("--dry-run", "show the SQL, run nothing"), conflicts: ["plan"] };

const plan = text(
  "--plan <plan>",
  "run exactly this approved plan, or nothing: a file of `plan --out`, or its digest",
);

/** A payload has the mode too. */
const { preflight: PREFLIGHT_MODE, ...PREFLIGHT_LIMITS } = PREFLIGHT_FLAGS;

const upFields = COMMANDS.up.fields;

export const up = defineCommand({
  name: "up",
  summary: COMMANDS.up.summary,
  input: {
    count: parsed("[count]", upFields.count.meaning, count),
    to: { ...upFields.to, written: "--to <name>" },
    fake: { ...upFields.fake, written: "--fake" },
    contract: { ...upFields.contract, written: "--contract <name>" },
    note: { ...upFields.note, written: "--note <text>" },
    plan,
    maxLock: parsed("--max-lock <seconds>", upFields.maxLock.meaning, plainSeconds),
    preflight: PREFLIGHT_MODE,
  },
  flags: { dryRun, ...CONFIRM_FLAGS, ...RUN_FLAGS, ...PREFLIGHT_LIMITS },
  run: (io, typed, { fake, plan, contract, note, maxLock, preflight, ...extent }) => {
    const flags = { ...typed, ...given({ preflight }) };
    const word = given({ contract, note });
    requireContractOfNote(word);
    if (flags.dryRun) return showPlan(io, flags, { ...extent, ...given({ contract }) });
    const budget = maxLock === undefined ? {} : { maxLockMs: maxLock * 1_000 };
    return run(io, { command: "up", flags, extent, word, fake, plan }, (migrator, options) =>
      migrator.up({ ...options, ...word, ...budget }, fake ? "fake" : "execute"),
    );
  },
});

const downFields = COMMANDS.down.fields;

const undoInput = {
  count: parsed("[count]", downFields.count.meaning, count),
  batch: { ...downFields.batch, written: "--batch" },
  from: { ...downFields.from, written: "--from <source>" },
  plan,
  preflight: PREFLIGHT_MODE,
};

export const down = defineCommand({
  name: "down",
  summary: COMMANDS.down.summary,
  input: {
    ...undoInput,
    to: { ...downFields.to, written: "--to <name>" },
    fake: { ...downFields.fake, written: "--fake" },
  },
  flags: { dryRun, ...CONFIRM_FLAGS, ...RUN_FLAGS, ...PREFLIGHT_LIMITS },
  run: (io, typed, { fake, plan, preflight, ...extent }) => {
    const flags = { ...typed, ...given({ preflight }) };
    if (flags.dryRun) return showPlan(io, flags, { ...extent, down: true });
    return run(io, { command: "down", flags, extent, fake, plan }, (migrator, options) =>
      migrator.down(options, fake ? "fake" : "execute"),
    );
  },
});

export const redo = defineCommand({
  name: "redo",
  summary: COMMANDS.redo.summary,
  input: undoInput,
  flags: { ...CONFIRM_FLAGS, ...RUN_FLAGS, ...PREFLIGHT_LIMITS },
  // On a developer's own database, the down of an edited file may not fit what was applied: the stored one does.
  run: (io, flags, { plan, preflight, ...extent }) =>
    run(
      io,
      { command: "redo", flags: { ...flags, ...given({ preflight }) }, extent, plan },
      (migrator, options, target) => migrator.redo({ ...options, preferHistory: isOwnDatabase(target, io) }),
    ),
});

interface Run {
  readonly command: Action;
  readonly flags: DatabaseFlags & { readonly yes?: boolean | undefined };
  /** Which migrations, as it was typed. */
  readonly extent: TypedExtent;
  /** The contract that a person has named. */
  readonly word?: ContractWord;
  readonly fake?: boolean | undefined;
  readonly plan?: string | undefined;
}

interface ContractWord {
  readonly contract?: string;
  readonly note?: string;
}

type TypedExtent = Pick<DownOptions, "count" | "to" | "batch" | "from">;

async function run(
  io: ProcessIo,
  { command, flags, extent, word = {}, fake = false, plan }: Run,
  perform: (migrator: Migrator, options: DownOptions, target: Target) => Promise<RunReport>,
): Promise<number> {
  const approval = plan === undefined ? undefined : await readApproval(io, plan, command);
  if (approval !== undefined) refuseWithPlan(approval, extent, fake);
  const planned = fake
    ? undefined
    : planArguments(command, { ...extent, ...given({ contract: word.contract }) });
  return withContext(io, flags, async ({ migrator, printer, target }) => {
    const risk = riskOf(command, { fake, contract: word.contract });
    const risky = risk === undefined ? undefined : { ...risk, flags };
    await requireConsent(io, target, { command, risk: risky, planned, approval });
    const report = await perform(migrator, optionsOf(extent, approval), target).catch((error: unknown) => {
      throw approval === undefined ? error : adviseToPlanAgain(error, { action: command, extent, approval });
    });
    if (flags.json) printJson(io, command, report);
    else printReport(printer, { command, extent, report, fake });
    return EXIT.done;
  });
}

/** A plan file says which migrations it is about. */
function optionsOf(extent: TypedExtent, approval: GivenApproval | undefined): DownOptions {
  if (approval?.kind !== "file") return { ...extent, ...given({ approved: approval?.approved }) };
  const { approved } = approval;
  return { ...given({ from: approved.from }), approved };
}

function refuseWithPlan(approval: GivenApproval, extent: TypedExtent, fake: boolean): void {
  if (fake) {
    throw new MigrationError("USAGE", "a plan is about SQL that runs, and --fake runs none", {
      hint: "Leave --plan or --fake out.",
    });
  }
  const [field] = Object.keys(extent);
  if (approval.kind === "digest" || field === undefined) return;
  throw new MigrationError("USAGE", `${approval.file} says already which migrations it is about`, {
    hint: `Leave ${field === "count" ? "the number" : `--${field}`} out.`,
  });
}

/** What commands that must be confirmed do; completes "… on database x". */
const EFFECTS: Partial<Record<Action, string>> = {
  down: "This undoes migrations",
  redo: "This undoes migrations and applies them again",
};
const RECORD_ONLY = "This changes the record of migrations and runs no SQL";
const EARLY_CONTRACT =
  "This applies a contract that waits, after which a stack rollback may meet code that does not work";

function riskOf(
  command: Action,
  { fake, contract }: { readonly fake: boolean; readonly contract: string | undefined },
): { readonly effect: string; readonly flag?: string } | undefined {
  if (fake) return { effect: RECORD_ONLY, flag: "--fake" };
  if (contract !== undefined) return { effect: EARLY_CONTRACT, flag: `--contract ${contract}` };
  const effect = EFFECTS[command];
  return effect === undefined ? undefined : { effect };
}

interface FinishedRun {
  readonly command: Action;
  readonly extent: Extent;
  readonly report: RunReport;
  readonly fake: boolean;
}

const CHANGES_SHOWN = 12;

/** The last lines of a run: what it did, the state of the database, what comes next. */
function printReport(printer: Printer, finished: FinishedRun): void {
  const run = visibleAll(finished);
  const { completed, head, pending, waiting, changes, background, warnings } = run.report;
  if (completed.length > 0 || background === null)
    printer.line(completed.length === 0 ? nothingDone(run) : done(run));
  if (changes !== null) printChanges(printer, changes);
  if (background !== null)
    printer.line(
      `${background.migration} goes on in the background: ${commandLine("status")} shows how far it is.`,
    );
  const due = pending.length - waiting.length;
  const left = due === 0 ? "nothing is pending" : `${amount(due)} pending`;
  const waits = waiting.length === 0 ? "" : `, ${amount(waiting.length)} waiting`;
  printer.line(`${head === null ? "No migration is applied" : `Head is ${head}`}; ${left}${waits}.`);
  if (due > 0 && run.command === "up") printer.line(`${commandLine("up")} applies the rest.`);
  printWaiting(printer, waiting);
  // What the pre-flight check found was printed before the run.
  const rest = warnings.filter(({ code }) => code !== "PREFLIGHT");
  printFindings(printer, { refusals: [], warnings: rest });
}

const SIGNS = { added: "+", removed: "-", altered: "~" } as const;

/** What the run has changed, one line for each table, view, function or type. */
function printChanges(printer: Printer, changes: readonly SchemaChange[]): void {
  const paint = { added: printer.colors.green, removed: printer.colors.red, altered: printer.colors.yellow };
  for (const one of changes.slice(0, CHANGES_SHOWN))
    printer.line(`  ${paint[one.change](SIGNS[one.change])} ${one.kind} ${one.name}${detailsOf(one)}`);
  const more = changes.length - CHANGES_SHOWN;
  if (more > 0) printer.line(`  … and ${more} more`);
}

function detailsOf({ change, columns, parts }: SchemaChange): string {
  if (change === "added" && columns !== undefined)
    return ` (${columns} ${columns === 1 ? "column" : "columns"})`;
  const named = parts.filter(({ name }) => name !== "");
  if (named.length === 0) return "";
  return `: ${listNames(
    named.map((part) => `${SIGNS[part.change]} ${part.kind} ${part.name}`),
    CHANGES_SHOWN,
  )}`;
}

function nothingDone({ command, extent, report: { head, pending, waiting } }: FinishedRun): string {
  const end = extent.to === undefined ? undefined : `"${extent.to}"`;
  if (command === "up") {
    if (pending.length > 0 && pending.length === waiting.length)
      return "Nothing to do: what is pending waits.";
    if (pending.length > 0)
      return end === undefined
        ? "Nothing to do: the plan is carried out already."
        : `Nothing to do: everything as far as ${end} is applied.`;
    return head === null ? "Nothing to do: there are no migrations yet." : "Nothing to do: all is applied.";
  }
  const what = command === "down" ? "undo" : "redo";
  if (head === null) return `Nothing to ${what}: no migration is applied.`;
  if (end === undefined) return `Nothing to ${what}: the plan is carried out already.`;
  return `Nothing to ${what}: no migration was applied after ${end}.`;
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
  const recorded = completed.filter((one) => one.recorded).length;
  if (recorded === completed.length) return `Recorded ${number} as applied; no SQL was run.`;
  if (recorded > 0) return `Applied ${amount(completed.length - recorded)} and recorded ${recorded} ${how}`;
  return `${command === "up" ? "Applied" : "Undid"} ${number} ${how}`;
}
