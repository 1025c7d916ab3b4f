import {
  given,
  isOwnFault,
  type MeasureLimits,
  type PlanReport,
  planDigest,
  type ResumedStep,
} from "../core/index.ts";
import { digestSteps, varyingFinding } from "./approval.ts";
import { readBackground } from "./background.ts";
import { checkUp } from "./checks.ts";
import type { Context } from "./context.ts";
import { findContractUses } from "./contract-uses.ts";
import { waitingMigrations } from "./contracts.ts";
import { type DatabaseState, headOf, readState } from "./database-state.ts";
import { findHolder, withMigrationLock } from "./lock.ts";
import {
  type DownOptions,
  makeDownPlan,
  makeRedoPlan,
  makeUpPlan,
  type Plan,
  planSelected,
} from "./make-plan.ts";
import { budgetFindings } from "./measure/budget.ts";
import { measureMigrations } from "./measure/measure.ts";
import { requireContract, selectPending, type UpOptions } from "./pending.ts";
import { withPreflight } from "./preflight.ts";
import { previewMigrations } from "./preview.ts";
import { sizesOfTables } from "./table-sizes.ts";

/** Measuring is a question, and what it measures may be another thing after a long run. */
const LONGEST_WAIT_MS = 5_000;

/** The plan of `up`, and what its migrations do when they run and are rolled back. Refused runs are not measured. */
export async function measureUp(
  context: Context,
  options: UpOptions,
  limits: MeasureLimits,
): Promise<PlanReport> {
  await requireContract(context.source, options.contract);
  const ms = Math.min(LONGEST_WAIT_MS, context.options.lockWaitMs);
  const measure = async () => {
    const state = await readState(context);
    const plan = await makeUpPlan(context, state, options);
    const report = await describePlan(context, state, plan);
    if (report.refusals.length > 0) return report;
    const measured = await measureMigrations(context, plan.migrations, limits);
    const refusals = await budgetFindings(context, measured, limits.maxLockMs);
    return { ...report, digest: refusals.length > 0 ? null : report.digest, measured, refusals };
  };
  return withMigrationLock(context, measure, { ms, advice: "Wait for that run, and measure again" });
}

/** Shows the SQL of a run that is refused too. A file that cannot be built does not hide why the run is refused. */
export async function previewUp(context: Context, options: UpOptions): Promise<PlanReport> {
  await requireContract(context.source, options.contract);
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
  const resumed = await readResumed(context, state, migrations);
  const digests = await digestSteps(source, migrations);
  const previews = await previewMigrations(session, options, migrations);
  const coming = previews.filter(({ note }) => note === undefined);
  const { refusals, warnings: found } = await withPreflight(context, checks, coming);
  const steps = previews.map((step, index) => ({
    ...step,
    digest: digests[index] ?? "",
    ...given({ resumes: resumed.get(step.migration) }),
  }));
  const covered = { head: headOf(state), schema: options.schema, steps };
  const varying = await varyingFinding(source, migrations);
  const warnings = varying === undefined ? found : [...found, varying];
  const digest = refusals.length > 0 || varying !== undefined ? null : planDigest(covered);
  const tables = await sizesOfTables(session, steps);
  return { action, digest, ...covered, ...given({ tables }), waiting, uses: [], refusals, warnings };
}

/** Where a run would go on with migrations that have begun, and what the server does meanwhile. */
async function readResumed(
  context: Context,
  state: DatabaseState,
  migrations: Plan["migrations"],
): Promise<ReadonlyMap<string, ResumedStep>> {
  const begun = migrations.flatMap(({ name, resumed }) =>
    resumed === undefined ? [] : [{ name, ...resumed }],
  );
  if (begun.length === 0) return new Map();
  const holder = await findHolder(context);
  const background = await readBackground(context.session, state, holder?.session ?? null);
  return new Map(
    begun.map(({ name, statement: done }) => [
      name,
      { statement: done + 1, ...given({ background: background.get(name) }) },
    ]),
  );
}
