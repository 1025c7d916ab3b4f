import {
  type Approval,
  type DownSource,
  given,
  Hint,
  isOwnFault,
  type MeasureLimits,
  MigrationError,
  type PlanReport,
  planDigest,
  type RunReport,
  type WaitingMigration,
} from "../core/index.ts";
import { appliedInPlan, digestSteps, hasDigest, requireApproved, varyingFinding } from "./approval.ts";
import { requireKeys } from "./backfill-run.ts";
import { recordedNote } from "./baselines.ts";
import { type Checks, checkDown, checkUp, requireAllowed } from "./checks.ts";
import { type Context, loadOptions } from "./context.ts";
import { describeUse, findContractUses, usesOf } from "./contract-uses.ts";
import { waitingContracts, waitingMigrations } from "./contracts.ts";
import { type DatabaseState, headOf, isUpToDate, readState } from "./database-state.ts";
import { readOrigins } from "./history/read.ts";
import { needsTakeOver, openHistory, unrecorded } from "./history-entries.ts";
import { withMigrationLock } from "./lock.ts";
import { budgetFindings, requireWithinBudget } from "./measure/budget.ts";
import { measureMigrations } from "./measure/measure.ts";
import { type SelectedMigrations, selectPending, type UpOptions } from "./pending.ts";
import { type PlannedMigration, planDown, planForget, planUp } from "./plan.ts";
import { comingSql, requireClear, withPreflight } from "./preflight.ts";
import { previewMigrations } from "./preview.ts";
import { planResumed } from "./resume.ts";
import { type RunMode, runPlan } from "./run.ts";
import { noOpReport, reportAfter, upToDateReport } from "./run-report.ts";
import { readSchema } from "./schema-changes.ts";
import { type DownExtent, selectDown } from "./selection.ts";
import { sizesOfTables } from "./table-sizes.ts";

export interface DownOptions extends DownExtent {
  /** As of an `up`. */
  readonly approved?: Approval;
  /** Which SQL to undo with where file and history disagree. */
  readonly from?: DownSource;
  /** Take what was recorded where the file disagrees with it, instead of a refusal. */
  readonly preferHistory?: boolean;
}

/** What a run will do, and whether it may. */
interface Plan extends Checks {
  readonly action: PlanReport["action"];
  readonly migrations: readonly PlannedMigration[];
  readonly waiting: readonly WaitingMigration[];
}

/** Applies pending migrations. Takes the migration lock only when there is something to do. */
export async function up(context: Context, options: UpOptions, mode: RunMode): Promise<RunReport> {
  const { approved } = options;
  // An approved plan names the applied migrations too: it is compared even when none is pending.
  const takesAll = options.count === undefined && options.to === undefined && typeof approved !== "object";
  if (takesAll && (await isUpToDate(context))) return upToDateReport(context.source);
  const before = await readState(context);
  const checks = checkUp(before, context.options.order);
  const { names, waiting } = selectPending(context, before, options);
  const isNoOp = checks.refusals.length === 0 && names.length === 0;
  if (isNoOp && !needsTakeOver(context, before)) {
    const plan: Plan = { action: "up", migrations: [], waiting: waitingMigrations(waiting), ...checks };
    await requireApproved(context, before, plan, approved);
    return noOpReport(before, plan);
  }
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    return execute(context, state, await makeUpPlan(context, state, options), { mode, approved });
  });
}

/** The plan of `up`, and what its migrations do when they run and are rolled back. Refused runs are not measured. */
export function measureUp(context: Context, options: UpOptions, limits: MeasureLimits): Promise<PlanReport> {
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const plan = await makeUpPlan(context, state, options);
    const report = await describePlan(context, state, plan);
    if (report.refusals.length > 0) return report;
    const measured = await measureMigrations(context, plan.migrations, limits);
    const refusals = await budgetFindings(context, measured, limits.maxLockMs);
    return { ...report, digest: refusals.length > 0 ? null : report.digest, measured, refusals };
  });
}

/** Undoes applied migrations, or only their records. */
export function down(context: Context, options: DownOptions, mode: RunMode): Promise<RunReport> {
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const makePlan = mode === "fake" ? makeForgetPlan : makeDownPlan;
    const { approved } = options;
    return execute(context, state, await makePlan(context, state, options), { mode, approved });
  });
}

/** Undoes applied migrations and applies the same ones again. */
export function redo(context: Context, options: DownOptions): Promise<RunReport> {
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const plan = await makeRedoPlan(context, state, options);
    return execute(context, state, plan, { mode: "execute", approved: options.approved });
  });
}

/** Shows the SQL of a run that is refused too. A file that cannot be built does not hide why the run is refused. */
export async function previewUp(context: Context, options: UpOptions): Promise<PlanReport> {
  const state = await readState(context);
  const checks = checkUp(state, context.options.order);
  const selected = selectPending(context, state, options);
  const waiting = waitingMigrations(selected.waiting);
  const uses = await findContractUses(context, state.contracts);
  try {
    const migrations = await planSelected(context, state, selected);
    return {
      ...(await describePlan(context, state, { action: "up", migrations, waiting, ...checks })),
      uses,
    };
  } catch (error) {
    if (checks.refusals.length === 0 || !isOwnFault(error)) throw error;
    const { code, message, details } = error;
    const migrations = details.migration === undefined ? [] : [details.migration];
    const failure = { code, migrations, message, hint: details.hint ?? "" };
    const { refusals } = checks;
    const warnings = [...checks.warnings, failure];
    const plan = { action: "up", migrations: [], waiting, refusals, warnings } as const;
    return { ...(await describePlan(context, state, plan)), uses };
  }
}

export async function previewDown(context: Context, options: DownOptions): Promise<PlanReport> {
  const state = await readState(context);
  return describePlan(context, state, await makeDownPlan(context, state, options));
}

export async function previewRedo(context: Context, options: DownOptions): Promise<PlanReport> {
  const state = await readState(context);
  return describePlan(context, state, await makeRedoPlan(context, state, options));
}

async function describePlan(
  context: Context,
  state: DatabaseState,
  { action, migrations, waiting, ...checks }: Plan,
): Promise<PlanReport> {
  const { session, source, options } = context;
  const digests = await digestSteps(source, migrations);
  const previews = await previewMigrations(session, options, migrations);
  const coming = previews.filter(({ note }) => note === undefined);
  const { refusals, warnings: found } = await withPreflight(context, checks, coming);
  const steps = previews.map((step, index) => ({ ...step, digest: digests[index] ?? "" }));
  const covered = { head: headOf(state), schema: options.schema, steps };
  const varying = await varyingFinding(source, migrations);
  const warnings = varying === undefined ? found : [...found, varying];
  const digest = refusals.length > 0 || varying !== undefined ? null : planDigest(covered);
  const tables = await sizesOfTables(session, steps);
  return { action, digest, ...covered, ...given({ tables }), waiting, uses: [], refusals, warnings };
}

/**
 * A run that is refused loads no file: a broken one would hide the refusal. Of an approved plan only the digest may be known:
 * contracts whose time has come since it was made are tried with it and without it.
 */
async function makeUpPlan(context: Context, state: DatabaseState, options: UpOptions): Promise<Plan> {
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

async function planSelected(
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

async function makeDownPlan(context: Context, state: DatabaseState, options: DownOptions): Promise<Plan> {
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
async function makeRedoPlan(context: Context, state: DatabaseState, options: DownOptions): Promise<Plan> {
  const plan = await makeDownPlan(context, state, options);
  const names = plan.migrations.map(({ name }) => name).reverse();
  const again = await planPending(context, state, names);
  return { ...plan, action: "redo", migrations: [...plan.migrations, ...again] };
}

/** Plans to remove records only: whether and how a migration could be undone does not matter. */
async function makeForgetPlan(context: Context, state: DatabaseState, options: DownOptions): Promise<Plan> {
  const names = await appliedNames(context, state, options);
  const waiting = waitingMigrations(waitingContracts(context, state));
  const migrations = planForget(names, loadOptions(context));
  return { action: "down", ...checkDown(state), migrations, waiting };
}

async function appliedNames(
  { session, tables }: Context,
  { existing, stored, classified }: DatabaseState,
  options: DownOptions,
): Promise<readonly string[]> {
  if (typeof options.approved === "object") {
    return appliedInPlan(
      stored.applied.map(({ name }) => name),
      options.approved,
    );
  }
  const end = classified.find(({ name }) => name === options.to);
  if (end?.state === "pending") throw notApplied(end.name);
  const byOrigin = options.batch || options.release !== undefined;
  const rows =
    byOrigin && existing.history
      ? await readOrigins(session, tables, existing)
      : stored.applied.map(({ name }) => ({ name, run: null, release: null }));
  return selectDown(rows, options);
}

function notApplied(name: string): MigrationError {
  return new MigrationError("USAGE", `migration ${name} is not applied: nothing can be undone down to it`, {
    hint: Hint.of`Name the applied migration that is to be the last one; ${Hint.command("status")} lists them.`,
  });
}

interface Execution {
  readonly mode: RunMode;
  readonly approved: Approval | undefined;
}

/** Runs a plan. Call with the migration lock held and the state that was read under it. */
async function execute(
  context: Context,
  state: DatabaseState,
  plan: Plan,
  { mode, approved }: Execution,
): Promise<RunReport> {
  await requireAllowed(context, state, plan);
  await requireApproved(context, state, plan, approved);
  if (mode === "execute") await requireKeys(context, state.existing, plan.migrations);
  if (plan.migrations.length === 0 && !needsTakeOver(context, state)) return noOpReport(state, plan);
  const { warnings } = mode === "execute" ? await preflight(context, plan) : plan;
  if (mode === "execute" && plan.action === "up") await requireWithinBudget(context, plan.migrations);
  if (mode === "execute" && plan.action === "up") await warnOfUses(context, state, plan.migrations);
  const writer = await openHistory(context, state, unrecorded(context, state));
  // A redo makes the same objects again, which is no change of the schema.
  const isOneWay = new Set(plan.migrations.map(({ direction }) => direction)).size === 1;
  const schema =
    mode === "execute" && isOneWay ? await readSchema(context.session, context.tables) : undefined;
  const approvedPlan = typeof approved === "object" ? approved.digest : approved;
  const migrations = plan.migrations.map((one) => ({ ...one, approvedPlan }));
  const { completed, background } = await runPlan(context, writer, migrations, mode);
  const { waiting } = plan;
  const result = { run: writer.run, completed, background, waiting, warnings };
  return reportAfter(context, state, result, schema);
}

/** Says what still names that which the contracts of a run drop, before they do. */
async function warnOfUses(
  { session, observe }: Context,
  { contracts }: DatabaseState,
  planned: readonly PlannedMigration[],
): Promise<void> {
  if (contracts === undefined) return;
  const running = planned.filter(({ name }) => contracts.targets.has(name));
  for (const use of await usesOf(session, running)) observe({ type: "warning", message: describeUse(use) });
}

/** Reports what stands in the way before the first statement. @throws MigrationError `PREFLIGHT` */
async function preflight(context: Context, plan: Plan): Promise<Checks> {
  const checks = await withPreflight(context, plan, comingSql(plan.migrations));
  requireClear(checks);
  for (const finding of checks.warnings) {
    const { code, message } = finding;
    if (code === "PREFLIGHT") context.observe({ type: "warning", message, finding });
  }
  return checks;
}
