import {
  type Approval,
  type ApprovedPlan,
  coveredOf,
  type Finding,
  given,
  Hint,
  MigrationError,
  type MigrationSource,
  type PlannedStep,
  type PlanReport,
  planDigest,
  type SqlChange,
} from "../core/index.ts";
import { maskSecrets, sqlDigest } from "../sql/index.ts";
import { isReproducible } from "./compare.ts";
import { type Context, loadOptions } from "./context.ts";
import { type DatabaseState, headOf, knownNames } from "./database-state.ts";
import { readDoneOfPlan } from "./history/runs.ts";
import { PlainSql } from "./load.ts";
import { type PlannedMigration, planUp } from "./plan.ts";

/** What may run, as far as an approval covers it. */
type Covered = Pick<PlanReport, "action" | "head" | "schema" | "steps">;

/** The digests of planned migrations. Only a dynamic one needs its file for that. */
export async function digestSteps(
  source: MigrationSource,
  planned: readonly PlannedMigration[],
): Promise<string[]> {
  const dynamic = planned.filter(({ rendered }) => rendered.kind === "dynamic").map(({ name }) => name);
  const files = dynamic.length === 0 ? new Map<string, string>() : await source.digests(dynamic);
  return planned.map((one) => {
    const sql = sqlOf(one);
    return sql === null ? (files.get(one.name) ?? "") : sqlDigest(sql);
  });
}

/** A warning about planned migrations whose SQL is another one each time: no run would be what was approved. */
export async function varyingFinding(
  source: MigrationSource,
  planned: readonly PlannedMigration[],
): Promise<Finding | undefined> {
  const varying: string[] = [];
  for (const { name, direction, code, rendered, recordedAs } of planned) {
    if (rendered.kind === "dynamic" || recordedAs !== undefined) continue;
    if (code.actions[direction] instanceof PlainSql) continue;
    const { steps } = rendered;
    // A record that is only taken away needs no file, which may say that it cannot be undone.
    if (steps.length === 0) continue;
    if (!(await isReproducible(source, { code, direction, steps }))) varying.push(name);
  }
  if (varying.length === 0) return undefined;
  return {
    code: "PLAN_DIFFERS",
    migrations: varying,
    message: `a plan of ${varying.join(", ")} cannot be approved: the SQL is another one each time it is built`,
    hint: "Let the database make what differs, with now() or gen_random_uuid(), or write it into the file.",
  };
}

/** Null for a dynamic migration. Secrets are masked. */
function sqlOf({ rendered, recordedAs }: PlannedMigration): readonly string[] | null {
  if (recordedAs !== undefined) return [];
  return rendered.kind === "static" ? rendered.steps.map(maskSecrets) : null;
}

/** The migrations that a plan of `up` was made for: pending ones, as far as the plan goes. */
export function pendingInPlan(
  pending: readonly string[],
  known: readonly string[],
  { to }: ApprovedPlan,
): string[] {
  const end = to === undefined ? -1 : known.indexOf(to);
  return end < 0 ? [...pending] : pending.filter((name) => known.indexOf(name) <= end);
}

/** The migrations that a plan of `down` or `redo` was made for, and all that were applied after them; newest first. */
export function appliedInPlan(applied: readonly string[], { steps }: ApprovedPlan): string[] {
  const named = new Set(steps.map(({ migration }) => migration));
  const oldest = applied.findIndex((name) => named.has(name));
  return oldest < 0 ? [] : applied.slice(oldest).reverse();
}

/**
 * Compares a run with what was approved. Call with the migration lock held, before anything runs, or when nothing will
 * run. What an interrupted run has left of an approved plan is approved too.
 * @throws MigrationError `PLAN_DIFFERS`, naming the difference
 */
export async function requireApproved(
  context: Context,
  state: DatabaseState,
  run: Pick<PlanReport, "action" | "waiting"> & { readonly migrations: readonly PlannedMigration[] },
  approval: Approval | undefined,
): Promise<void> {
  if (approval === undefined) return;
  if (typeof approval === "string") {
    if (run.migrations.length === 0 || (await hasDigest(context, state, run, approval))) return;
    throw differsFromDigest(approval, await describe(context, state, run));
  }
  const now = await describe(context, state, run);
  if (approval.digest === planDigest(now)) return;
  const applied = new Set(state.stored.applied.map(({ name }) => name));
  const waiting = new Set(run.waiting.map(({ migration }) => migration));
  const differences = differencesFrom(approval, now, { applied, waiting });
  if (differences.length > 0) throw differsFromPlan(approval, now, differences);
}

/** Whether a run has the digest of an approved plan, or is what an interrupted run has left of an `up`. */
export async function hasDigest(
  context: Context,
  state: DatabaseState,
  run: Parameters<typeof requireApproved>[2],
  digest: string,
): Promise<boolean> {
  if (planDigest(await describe(context, state, run)) === digest) return true;
  const whole = run.action === "up" ? await withDone(context, state, run, digest) : undefined;
  return whole !== undefined && planDigest(whole) === digest;
}

/**
 * The run as it was when it was planned: with the migrations that it has applied since, as their files are now. Undefined
 * if the history knows of none.
 */
async function withDone(
  context: Context,
  state: DatabaseState,
  { action, migrations, waiting }: Parameters<typeof requireApproved>[2],
  digest: string,
): Promise<Covered | undefined> {
  const { session, tables, source } = context;
  const done = new Set(await readDoneOfPlan(session, tables, state.existing, digest));
  const known = knownNames(source);
  if (done.size === 0 || [...done].some((name) => !known.includes(name))) return undefined;
  const options = { ...loadOptions(context), warn: () => {} };
  const recorded = new Map(state.stored.applied.map((one) => [one.name, one.recordedAs ?? undefined]));
  const again = (await planUp(source, [...done], options)).map((one) => ({
    ...one,
    recordedAs: recorded.get(one.name),
  }));
  const all = [...again, ...migrations].toSorted((a, b) => known.indexOf(a.name) - known.indexOf(b.name));
  const applied = state.stored.applied.filter(({ name }) => !done.has(name));
  const before = { ...state, stored: { ...state.stored, applied } };
  return describe(context, before, { action, waiting, migrations: all });
}

async function describe(
  { source, options }: Context,
  state: DatabaseState,
  { action, migrations }: Parameters<typeof requireApproved>[2],
): Promise<Covered> {
  const digests = await digestSteps(source, migrations);
  const steps = migrations.map((one, index) => ({
    migration: one.name,
    direction: one.direction,
    sql: sqlOf(one),
    transactional: transactionalOf(one),
    dynamic: one.recordedAs === undefined && one.rendered.kind === "dynamic",
    source: one.source,
    digest: digests[index] ?? "",
    ...given({ note: one.recordedAs }),
  }));
  return { action, head: headOf(state), schema: options.schema, steps };
}

function transactionalOf({ recordedAs, rendered }: PlannedMigration): boolean | null {
  if (recordedAs !== undefined) return true;
  return rendered.kind === "static" ? rendered.transactional : null;
}

/** Migrations that a run does not have, by the reason. */
interface NotPlanned {
  readonly applied: ReadonlySet<string>;
  readonly waiting: ReadonlySet<string>;
}

/**
 * What differs, as parts of a sentence. Steps that an earlier run has done are not missed: of an `up` those that are
 * applied, of a `down` those that are not. A redo is done whole or not at all.
 */
function differencesFrom(approved: ApprovedPlan, now: Covered, { applied, waiting }: NotPlanned): string[] {
  const isDone = ({ migration }: PlannedStep) =>
    (approved.action === "up" && applied.has(migration)) ||
    (approved.action === "down" && !applied.has(migration));
  const nowByKey = new Map(now.steps.map((step) => [keyOf(step), step]));
  const rest = approved.steps.filter((step) => nowByKey.has(keyOf(step)) || !isDone(step));
  const restKeys = rest.map(keyOf);
  const added = now.steps.filter((step) => !restKeys.includes(keyOf(step)));
  const gone = rest.filter((step) => !nowByKey.has(keyOf(step)));
  const isReordered = added.length + gone.length === 0 && restKeys.join() !== now.steps.map(keyOf).join();
  return [
    ...(approved.action === now.action ? [] : [`it was a plan of ${approved.action}, not of ${now.action}`]),
    ...named(added, "was not in it"),
    ...named(
      gone.filter(({ migration }) => waiting.has(migration)),
      "waits here",
    ),
    ...named(
      gone.filter(({ migration }) => !waiting.has(migration)),
      approved.action === "up" ? "is not pending here" : "is not applied here",
    ),
    ...named(changedSteps(approved, now), "has changed"),
    ...(isReordered ? ["the order is another one"] : []),
    ...headDifference(
      approved,
      now,
      approved.steps.filter((step) => !rest.includes(step)),
    ),
    ...(approved.schema.join() === now.schema.join()
      ? []
      : [`it was for the search path ${approved.schema.join(", ")}, which is ${now.schema.join(", ")} here`]),
  ];
}

/** A redo has each of its migrations in both directions. */
function keyOf({ migration, direction }: PlannedStep): string {
  return JSON.stringify([migration, direction]);
}

function changedSteps(approved: ApprovedPlan, now: Covered): readonly PlannedStep[] {
  const before = new Map(approved.steps.map((step) => [keyOf(step), JSON.stringify(coveredOf(step))]));
  return now.steps.filter((step) => {
    const covered = before.get(keyOf(step));
    return covered !== undefined && covered !== JSON.stringify(coveredOf(step));
  });
}

/** After a part of the plan, the head is that from before it or one of its migrations; where nothing is left, any. */
function headDifference(approved: ApprovedPlan, now: Covered, done: readonly PlannedStep[]): string[] {
  const isPartOfPlan = done.some(({ migration }) => migration === now.head);
  const isUndone = approved.action === "down" && done.length > 0;
  if (now.head === approved.head || now.steps.length === 0 || isPartOfPlan || isUndone) return [];
  return [`it was for the head ${approved.head ?? "none"}, which is ${now.head ?? "none"} here`];
}

const SHOWN = 5;

function named(steps: readonly PlannedStep[], what: string): string[] {
  const names = [...new Set(steps.map(({ migration }) => migration))];
  if (names.length === 0) return [];
  const more = names.length > SHOWN ? ` (and ${names.length - SHOWN} more)` : "";
  return [`${names.slice(0, SHOWN).join(", ")}${more} ${what}`];
}

function differsFromPlan(
  approved: ApprovedPlan,
  now: Covered,
  differences: readonly string[],
): MigrationError {
  const before = new Map(approved.steps.map((step) => [keyOf(step), step.sql]));
  const changes = changedSteps(approved, now).flatMap((step): SqlChange[] => {
    const sql = before.get(keyOf(step)) ?? null;
    return sql === null || step.sql === null
      ? []
      : [{ migration: step.migration, before: sql, after: step.sql }];
  });
  return planDiffers(`this is not the plan that was approved: ${differences.join("; ")}`, now, changes);
}

function differsFromDigest(approved: string, now: Covered): MigrationError {
  const names = [...new Set(now.steps.map(({ migration }) => migration))];
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  const what = `${now.action} of ${names.slice(0, SHOWN).join(", ")}${more}, from the head ${now.head ?? "none"}`;
  return planDiffers(`the approved plan, ${approved.slice(0, 12)}…, is another one than ${what}`, now, []);
}

function planDiffers(message: string, { action }: Covered, changes: readonly SqlChange[]): MigrationError {
  return new MigrationError("PLAN_DIFFERS", message, {
    hint: Hint.of`${PLAN_COMMAND[action]} shows what would run now. Have that approved instead.`,
    ...(changes.length > 0 ? { changes } : {}),
  });
}

const PLAN_COMMAND = {
  up: Hint.command("plan"),
  down: Hint.command("plan", { down: true }),
  redo: Hint.command("plan", { redo: true }),
} as const;
