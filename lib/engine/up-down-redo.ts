import type { Approval, RunReport } from "../core/index.ts";
import { requireApproved } from "./approval.ts";
import { requireKeys } from "./backfill-run.ts";
import { type Checks, checkUp, requireAllowed } from "./checks.ts";
import type { Context } from "./context.ts";
import { describeUse, usesOf } from "./contract-uses.ts";
import { waitingMigrations } from "./contracts.ts";
import { type DatabaseState, isUpToDate, readState } from "./database-state.ts";
import { needsTakeOver, openHistory, unrecorded } from "./history-entries.ts";
import { withMigrationLock } from "./lock.ts";
import {
  type DownOptions,
  makeDownPlan,
  makeForgetPlan,
  makeRedoPlan,
  makeUpPlan,
  type Plan,
} from "./make-plan.ts";
import { requireWithinBudget } from "./measure/budget.ts";
import { requireContract, selectPending, type UpOptions } from "./pending.ts";
import type { PlannedMigration } from "./plan.ts";
import { comingSql, requireClear, withPreflight } from "./preflight.ts";
import { type RunMode, runPlan } from "./run.ts";
import { noOpReport, reportAfter, upToDateReport } from "./run-report.ts";
import { readSchema } from "./schema-changes.ts";

/** Applies pending migrations. Takes the migration lock only when there is something to do. */
export async function up(context: Context, options: UpOptions, mode: RunMode): Promise<RunReport> {
  const { approved } = options;
  await requireContract(context.source, options.contract);
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
  if (plan.migrations.length === 0 && !needsTakeOver(context, state)) return noOpReport(state, plan);
  const { warnings } = mode === "execute" ? await checkTables(context, state, plan) : plan;
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

/**
 * Looks at what the migrations are about to change.
 * @throws MigrationError for what is better known before the first statement
 */
async function checkTables(context: Context, state: DatabaseState, plan: Plan): Promise<Checks> {
  await requireKeys(context, state.existing, plan.migrations);
  const checks = await preflight(context, plan);
  if (plan.action === "up") {
    await requireWithinBudget(context, plan.migrations);
    await warnOfUses(context, state, plan.migrations);
  }
  return checks;
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
