import { ERRORS, type MigrationError } from "../../core/index.ts";
import { commandLine } from "../process-io.ts";
import { listNames } from "./printer.ts";

/** What a failed run has left in the database, and what comes next. */
export function stateAfter(command: string, error: MigrationError): string[] {
  // Its runs are on a scratch database.
  if (command === "verify")
    return error.code === "CANCELLED" ? ["No database but its scratch database was changed."] : [];
  const { applied, undone = [], remaining } = error.details;
  if (applied === undefined || remaining === undefined) {
    if (error.code === "CANCELLED") return ["No migration was running; nothing is left partly applied."];
    return ERRORS[error.code].phase === "checks" && RUNS.includes(command) ? ["Nothing was run."] : [];
  }
  const run: StoppedRun = { error, applied, undone, remaining };
  const parts =
    command === "redo" ? redoParts(run) : command === "down" ? oneWayParts(run, DOWN) : oneWayParts(run, UP);
  return [...parts.flatMap(([label, names]) => line(label, names)), ...outlook(command, error)];
}

const RUNS = ["up", "down", "redo"];

interface StoppedRun {
  readonly error: MigrationError;
  readonly applied: readonly string[];
  readonly undone: readonly string[];
  readonly remaining: readonly string[];
}

type Part = readonly [label: string, names: readonly string[]];

const UP = { kept: "Applied and kept", rolledBack: "Rolled back", left: "Not started" };
const DOWN = { kept: "Undone", rolledBack: "Rolled back, still applied", left: "Not started, still applied" };

function oneWayParts({ error, applied, undone, remaining }: StoppedRun, words: typeof UP): Part[] {
  const kept = [...applied, ...undone];
  const { migration, inDoubt = [] } = error.details;
  // With one transaction for all, those before the failed migration are rolled back with it.
  const started = remaining.slice(0, remaining.indexOf(migration ?? "") + 1);
  const undecided = isPart(error) ? [...inDoubt, migration] : inDoubt;
  return [
    [words.kept, kept.length === 0 ? ["nothing"] : kept],
    [words.rolledBack, started.filter((name) => !undecided.includes(name))],
    [words.left, remaining.slice(started.length)],
  ];
}

/** Whether the migration that failed has done a part of its work, which stays. */
function isPart({ details: { partial, backfill } }: MigrationError): boolean {
  return partial !== undefined || backfill !== undefined;
}

/** A redo undoes all of its migrations, then applies them again. A migration that it did not reach is still applied. */
function redoParts({ error, applied, undone, remaining }: StoppedRun): Part[] {
  const { migration, inDoubt = [] } = error.details;
  const undecided = isPart(error) ? [...inDoubt, migration] : inDoubt;
  const certain = (names: readonly string[]) => names.filter((name) => !undecided.includes(name));
  const nothing = applied.length + undone.length === 0 && undecided.length === 0;
  return [
    ["Undone", nothing ? ["nothing"] : []],
    ["Undone and applied again", applied],
    ["Undone, not applied now", certain(undone)],
    ["Rolled back", migration === undefined ? [] : certain([migration])],
    ["Still applied", certain(remaining.filter((name) => !undone.includes(name)))],
  ];
}

const SHOWN_NAMES = 4;

function line(label: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${label}: ${listNames(names, SHOWN_NAMES)}.`];
}

function outlook(
  command: string,
  { code, details: { undone = [], migration, partial, backfill, statements, inDoubt = [] } }: MigrationError,
): string[] {
  if (backfill !== undefined)
    return [
      `Begun: ${migration}, a backfill, stays at ${backfill.percent} %. ${commandLine("up")} goes on with it.`,
    ];
  if (partial !== undefined) {
    const all = statements === undefined ? "its statements" : `its ${statements} statements`;
    const done = partial === 1 ? `1 of ${all} is done and stays` : `${partial} of ${all} are done and stay`;
    const next = code === "CONNECTION" ? " Whether the next one took effect is not known." : "";
    return [
      `Partly applied: ${migration} runs outside a transaction; ${done}.${next}`,
      "No run goes past it until that is settled.",
    ];
  }
  if (inDoubt.length > 0) {
    const names = listNames(inDoubt, SHOWN_NAMES);
    return [`Not known: ${names}. ${commandLine("status")} tells what is applied.`];
  }
  if (command === "redo" && undone.length > 0) return [`${commandLine("up")} applies what is not.`];
  if (code !== "CANCELLED") return [];
  return [`The lock is released; ${commandLine(command)} goes on from here.`];
}
