import {
  type Approval,
  type DownSource,
  Hint,
  MigrationError,
  type PlanReport,
  type WaitingMigration,
} from "../core/index.ts";
import { appliedInPlan, hasDigest } from "./approval.ts";
import { recordedNote } from "./baselines.ts";
import { type Checks, checkDown, checkUp } from "./checks.ts";
import { type Context, loadOptions } from "./context.ts";
import { waitingContracts, waitingMigrations } from "./contracts.ts";
import type { DatabaseState } from "./database-state.ts";
import { readOrigins } from "./history/runs.ts";
import { type SelectedMigrations, selectPending, type UpOptions } from "./pending.ts";
import { type PlannedMigration, planDown, planForget, planUp } from "./plan.ts";
import { planResumed } from "./resume.ts";
import { type DownExtent, type RestOfRun, selectDown, selectRest } from "./selection.ts";

export interface DownOptions extends DownExtent {
  /** As of an `up`. */
  readonly approved?: Approval;
  /** Which SQL to undo with where file and history disagree. */
  readonly from?: DownSource;
  /** Of a divided run: the names instead of a count, a batch or an end. */
  readonly rest?: RestOfRun;
  /** Take what was recorded where the file disagrees with it, instead of a refusal. */
  readonly preferHistory?: boolean;
}

/** What a run will do, and whether it may. */
export interface Plan extends Checks {
  readonly action: PlanReport["action"];
  readonly migrations: readonly PlannedMigration[];
  readonly waiting: readonly WaitingMigration[];
}

/**
 * A run that is refused loads no file: a broken one would hide the refusal. Of an approved plan only the digest may be known:
 * contracts whose time has come since it was made are tried with it and without it.
 */
export async function makeUpPlan(context: Context, state: DatabaseState, options: UpOptions): Promise<Plan> {
  const checks = checkUp(state, context.options.order);
  const make = async (selected: SelectedMigrations): Promise<Plan> => {
    const migrations = checks.refusals.length > 0 ? [] : await planSelected(context, state, selected);
    return { action: "up", ...checks, migrations, waiting: waitingMigrations(selected.waiting) };
  };
  const selected = selectPending(context, state, options);
  const plan = await make(selected);
  const { approved, contract } = options;
  const ready = selected.names.filter((name) => state.contracts?.targets.has(name) && name !== contract);
  if (typeof approved !== "string" || ready.length === 0) return plan;
  if (await hasDigest(context, state, plan, approved)) return plan;
  return make(selectPending(context, state, options, new Set(ready)));
}

export async function planSelected(
  context: Context,
  state: DatabaseState,
  { names, notes }: SelectedMigrations,
): Promise<PlannedMigration[]> {
  const planned = await planPending(context, state, names);
  return planned.map((one) => ({ ...one, note: notes.get(one.name) }));
}

/** A baseline whose replaced migrations are applied is recorded; its SQL does not run. */
async function planPending(
  context: Context,
  { baselines, existing, stored, resumable }: DatabaseState,
  names: readonly string[],
): Promise<PlannedMigration[]> {
  const notes = new Map(
    baselines.flatMap((one) => (one.has === "all" ? [[one.name, recordedNote(one)] as const] : [])),
  );
  const planned = await planUp(context.source, names, loadOptions(context));
  const begun = new Map(stored.partial.flatMap((one) => (resumable.has(one.name) ? [[one.name, one]] : [])));
  const all: PlannedMigration[] = [];
  for (const one of planned) {
    const partial = begun.get(one.name);
    const unfinished = stored.backfills.find(({ name }) => name === one.name);
    if (partial !== undefined) all.push(await planResumed(context, existing, one, partial, "run"));
    else all.push({ ...one, recordedAs: notes.get(one.name), unfinished });
  }
  return all;
}

export async function makeDownPlan(
  context: Context,
  state: DatabaseState,
  options: DownOptions,
): Promise<Plan> {
  const { session, tables, source } = context;
  const action = "down";
  const names = await appliedNames(context, state, options);
  const checks = { ...checkDown(state), waiting: waitingMigrations(waitingContracts(context, state)) };
  if (checks.refusals.length > 0) return { action, ...checks, migrations: [] };
  const request = {
    names,
    from: options.from,
    preferHistory: options.preferHistory,
    applied: state.stored.applied,
    existing: state.existing,
  };
  const migrations = await planDown(session, tables, source, request, loadOptions(context));
  return { action, ...checks, migrations };
}

/** The same migrations down and up again. */
export async function makeRedoPlan(
  context: Context,
  state: DatabaseState,
  options: DownOptions,
): Promise<Plan> {
  const { rest } = options;
  const applied = state.stored.applied.map(({ name }) => name);
  if (rest !== undefined && selectRest(applied, rest).length === 0)
    return makeAgainPlan(context, state, rest);
  const plan = await makeDownPlan(context, state, options);
  if (plan.refusals.length > 0) return { ...plan, action: "redo" };
  const undone = plan.migrations.map(({ name }) => name);
  const names = rest?.apply?.filter((name) => undone.includes(name) || !applied.includes(name));
  const again = await planPending(context, state, names ?? undone.reverse());
  return { ...plan, action: "redo", migrations: [...plan.migrations, ...again] };
}

/** The rest of a redo that has undone all of its migrations. The server may be at work on one of them. */
async function makeAgainPlan(
  context: Context,
  state: DatabaseState,
  { apply = [] }: RestOfRun,
): Promise<Plan> {
  const checks = checkUp(state, context.options.order);
  const applied = new Set(state.stored.applied.map(({ name }) => name));
  const names = checks.refusals.length > 0 ? [] : apply.filter((name) => !applied.has(name));
  const migrations = await planPending(context, state, names);
  const waiting = waitingMigrations(waitingContracts(context, state));
  return { action: "redo", ...checks, migrations, waiting };
}

/** Plans to remove records only: whether and how a migration could be undone does not matter. */
export async function makeForgetPlan(
  context: Context,
  state: DatabaseState,
  options: DownOptions,
): Promise<Plan> {
  const names = await appliedNames(context, state, options);
  const waiting = waitingMigrations(waitingContracts(context, state));
  const migrations = planForget(names, loadOptions(context));
  return { action: "down", ...checkDown(state), migrations, waiting };
}

/** The names of what `down` and `redo` take, newest first. */
export async function appliedNames(
  { session, tables }: Context,
  { existing, stored, classified }: DatabaseState,
  options: DownOptions,
): Promise<readonly string[]> {
  const applied = stored.applied.map(({ name }) => name);
  if (options.rest !== undefined) return selectRest(applied, options.rest);
  if (typeof options.approved === "object") return appliedInPlan(applied, options.approved);
  const end = classified.find(({ name }) => name === options.to);
  if (end?.state === "pending") throw notApplied(end.name);
  const byOrigin = options.batch || options.release !== undefined;
  const rows =
    byOrigin && existing.history
      ? await readOrigins(session, tables, existing)
      : applied.map((name) => ({ name, run: null, release: null }));
  const shown = new Set(classified.map(({ name }) => name));
  return selectDown(
    rows,
    options,
    applied.filter((name) => shown.has(name)),
  );
}

function notApplied(name: string): MigrationError {
  return new MigrationError("USAGE", `migration ${name} is not applied: nothing can be undone down to it`, {
    hint: Hint.of`Name the applied migration that is to be the last one; ${Hint.command("status")} lists them.`,
  });
}
