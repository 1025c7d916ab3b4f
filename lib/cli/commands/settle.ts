import { MigrationError, type SettleReport } from "../../core/index.ts";
import type { Migrator, Outcome } from "../../migrator/index.ts";
import { printJson } from "../output/json.ts";
import { amount, listNames } from "../output/names.ts";
import type { Printer } from "../output/printer.ts";
import { commandLine, EXIT, type World } from "../world.ts";
import { withContext } from "./context.ts";
import type { DatabaseFlags } from "./flags.ts";

/** Flags of the commands in which a person decides. */
export interface SettleFlags extends DatabaseFlags {
  /** Why, for the history. */
  readonly note?: string;
}

const SHOWN = 10;

/** Accepts changed files as what was applied. */
export function repair(world: World, names: readonly string[], flags: SettleFlags): Promise<number> {
  const perform = (migrator: Migrator) => migrator.repair(names, flags.note);
  return settle(world, flags, "repair", perform, (printer, { migrations }) => {
    const none = migrations.length === 0;
    printer.line(
      none
        ? "Nothing to repair: no applied migration is changed."
        : `Accepted as they are now: ${listNames(migrations, SHOWN)}.`,
    );
  });
}

export interface BaselineFlags extends SettleFlags {
  readonly to?: string;
}

/** Declares an existing database to be at a migration. */
export function baseline(world: World, flags: BaselineFlags): Promise<number> {
  const perform = (migrator: Migrator) => migrator.baseline(flags.to, flags.note);
  return settle(world, flags, "baseline", perform, (printer, { migrations, head }) => {
    const what =
      head === null
        ? "No migration is recorded as applied"
        : `Recorded ${amount(migrations.length)} as applied, up to ${head}`;
    printer.line(`${what}; no SQL was run. From here on this database is managed.`);
    printer.line(`${commandLine("up")} applies the rest.`);
  });
}

export interface ResolveFlags extends SettleFlags {
  readonly retry?: boolean;
  readonly applied?: boolean;
  readonly reverted?: boolean;
}

/** Settles a migration that stopped half-way. */
export function resolve(world: World, name: string, flags: ResolveFlags): Promise<number> {
  const outcome = outcomeOf(flags);
  const perform = (migrator: Migrator) => migrator.resolve(name, outcome, flags.note);
  return settle(world, flags, "resolve", perform, (printer) => {
    const became = {
      retry: "was finished",
      applied: "counts as applied",
      reverted: "counts as not applied",
    } as const;
    printer.line(`${name} ${became[outcome]}. ${commandLine("status")} shows where the database is.`);
  });
}

function outcomeOf(flags: ResolveFlags): Outcome {
  const outcomes = (["retry", "applied", "reverted"] as const).filter((outcome) => flags[outcome]);
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

function settle(
  world: World,
  flags: SettleFlags,
  command: string,
  perform: (migrator: Migrator) => Promise<SettleReport>,
  print: (printer: Printer, report: SettleReport) => void,
): Promise<number> {
  const remarksTo = flags.json ? world.stderr : world.stdout;
  return withContext(world, flags, { remarksTo }, async ({ migrator, printer }) => {
    const report = await perform(migrator);
    if (flags.json) printJson(world, command, report);
    else print(printer, report);
    return EXIT.done;
  });
}
