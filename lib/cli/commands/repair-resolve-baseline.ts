import { COMMANDS } from "../../commands/index.ts";
import { MigrationError, type SettleReport } from "../../core/index.ts";
import type { Migrator } from "../../engine/index.ts";
import { defineCommand, toggle } from "../command.ts";
import { requireConsent } from "../confirm.ts";
import { withContext } from "../context.ts";
import { type DatabaseFlags, RUN_FLAGS } from "../flags.ts";
import type { Printer } from "../output/printer.ts";
import { amount, listNames, printJson } from "../output/printer.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";

const SHOWN_NAMES = 10;

const repairFields = COMMANDS.repair.fields;
const note = { ...repairFields.note, written: "--note <text>" };

export const repair = defineCommand({
  name: "repair",
  summary: COMMANDS.repair.summary,
  input: {
    migrations: { ...repairFields.migrations, written: "[migrations...]", isRepeated: true },
    note,
  },
  flags: RUN_FLAGS,
  run: (io, flags, input) =>
    settle(io, { command: "repair", flags, print: printRepair }, (migrator) =>
      COMMANDS.repair.run(migrator, input),
    ),
});

function printRepair(printer: Printer, { migrations }: SettleReport): void {
  printer.line(
    migrations.length === 0
      ? "Nothing to repair: no applied migration is changed."
      : `Accepted as they are now: ${listNames(migrations, SHOWN_NAMES)}.`,
  );
}

const renameFields = COMMANDS.rename.fields;

export const rename = defineCommand({
  name: "rename",
  summary: COMMANDS.rename.summary,
  input: {
    migration: { ...renameFields.migration, written: "<migration>" },
    to: { ...renameFields.to, written: "<to>" },
    note,
  },
  flags: RUN_FLAGS,
  run: (io, flags, input) => {
    const print = (printer: Printer) =>
      printer.line(`${input.migration} is recorded as ${input.to}; no SQL was run.`);
    return settle(io, { command: "rename", flags, print }, (migrator) =>
      COMMANDS.rename.run(migrator, input),
    );
  },
});

const resolveFields = COMMANDS.resolve.fields;

export const resolve = defineCommand({
  name: "resolve",
  summary: COMMANDS.resolve.summary,
  input: { migration: { ...resolveFields.migration, written: "<migration>" }, note },
  flags: {
    retry: toggle("--retry", "go on after its last finished statement"),
    applied: toggle("--applied", "you have finished it by hand"),
    reverted: toggle("--reverted", "you have undone what it did"),
    ...RUN_FLAGS,
  },
  run: (io, flags, input) => {
    const outcome = outcomeOf(flags);
    const print = (printer: Printer) =>
      printer.line(
        `${input.migration} ${SETTLED[outcome]}. ${commandLine("status")} shows where the database is.`,
      );
    return settle(io, { command: "resolve", flags, print }, (migrator) =>
      COMMANDS.resolve.run(migrator, { ...input, outcome }),
    );
  },
});

const SETTLED = {
  retry: "was finished",
  applied: "counts as applied",
  reverted: "counts as not applied",
} as const;

type Outcome = keyof typeof SETTLED;

/** The command line writes an outcome as a flag. */
function outcomeOf(flags: Partial<Record<Outcome, boolean>>): Outcome {
  const outcomes = resolveFields.outcome.choices.filter((outcome) => flags[outcome]);
  const [outcome, second] = outcomes;
  if (outcome !== undefined && second === undefined) return outcome;
  throw new MigrationError(
    "USAGE",
    outcomes.length === 0
      ? "none of --retry, --applied and --reverted is given"
      : `--${outcomes.join(" and --")} exclude each other`,
    {
      hint: "Give one of them: --retry goes on after the last finished statement; the other two record how you ended it by hand.",
    },
  );
}

export const baseline = defineCommand({
  name: "baseline",
  summary: COMMANDS.baseline.summary,
  input: { to: { ...COMMANDS.baseline.fields.to, written: "--to <name>" }, note },
  flags: RUN_FLAGS,
  run: (io, flags, input) =>
    settle(io, { command: "baseline", flags, print: printBaseline }, (migrator) =>
      COMMANDS.baseline.run(migrator, input),
    ),
});

function printBaseline(printer: Printer, { migrations, head }: SettleReport): void {
  const what =
    head === null
      ? "No migration is recorded as applied"
      : `Recorded ${amount(migrations.length)} as applied, up to ${head}`;
  printer.line(`${what}; no SQL was run. From here on this database is managed.`);
  printer.line(`${commandLine("up")} applies the rest.`);
}

interface Settling {
  readonly command: string;
  readonly flags: DatabaseFlags;
  readonly print: (printer: Printer, report: SettleReport) => void;
}

function settle(
  io: ProcessIo,
  { command, flags, print }: Settling,
  run: (migrator: Migrator) => Promise<SettleReport>,
): Promise<number> {
  return withContext(io, flags, async ({ migrator, printer, target }) => {
    await requireConsent(io, target, { command });
    const report = await run(migrator);
    if (flags.json) printJson(io, command, report);
    else print(printer, report);
    return EXIT.done;
  });
}
