import {
  type Finding,
  Hint,
  MEASURE_DEFAULTS,
  type MeasuredLock,
  type MeasuredMigration,
  MigrationError,
  type ResolvedOptions,
  timeOf,
} from "../../core/index.ts";
import type { Context } from "../context.ts";
import type { PlannedMigration } from "../plan.ts";
import { measureMigrations } from "./measure.ts";
import { holdsTables } from "./relations.ts";
import { notReached } from "./unmeasurable.ts";

/** Limits for measuring before a run. Its lock timeout is never longer than that of the run. */
function limitsOf({ lockTimeoutMs, statementTimeoutMs }: ResolvedOptions, maxLockMs: number) {
  return {
    lockTimeoutMs: Math.min(MEASURE_DEFAULTS.lockTimeoutMs, lockTimeoutMs || MEASURE_DEFAULTS.lockTimeoutMs),
    statementTimeoutMs: statementTimeoutMs || MEASURE_DEFAULTS.statementTimeoutMs,
    maxLockMs,
  };
}

/**
 * Measures what is about to run, if there is a budget for locks.
 * @throws MigrationError `LOCK_BUDGET` before anything has run
 */
export async function requireWithinBudget(
  context: Context,
  planned: readonly PlannedMigration[],
): Promise<void> {
  const { maxLockMs } = context.options;
  if (maxLockMs === undefined || planned.length === 0) return;
  // A database without tables has nobody who could wait.
  if (!(await holdsTables(context.session, context.tables))) return;
  const limits = limitsOf(context.options, maxLockMs);
  const measured = await measureMigrations(context, planned, limits).catch((error: unknown) => {
    throw whileMeasuring(error);
  });
  const found = overBudget(measured, maxLockMs);
  const [first] = found;
  if (first === undefined) return;
  const [migration = ""] = first.migrations;
  const messages = found.map(({ message }) => `\n  ${message}`);
  const all =
    found.length === 1
      ? first.message
      : `${found.length} migrations are not within the budget for locks:${messages.join("")}`;
  throw new MigrationError("LOCK_BUDGET", all, { migration, hint: first.hint });
}

/** A longer lock timeout would not help: measuring never waits longer than its own. */
function whileMeasuring(error: unknown): unknown {
  if (!(error instanceof MigrationError) || error.code !== "LOCK_TIMEOUT") return error;
  const hint =
    "It was only measured, and nothing was run. End what blocks it, or wait for it, then run again.";
  return new MigrationError(error.code, error.message, { ...error.details, hint });
}

/** Why a run would be refused, once it is measured. */
export async function budgetFindings(
  context: Context,
  measured: readonly MeasuredMigration[],
  maxLockMs: number | undefined,
): Promise<readonly Finding[]> {
  const applies = maxLockMs !== undefined && (await holdsTables(context.session, context.tables));
  return applies ? overBudget(measured, maxLockMs) : [];
}

/** Why migrations are over the budget, or not known to be within it. */
function overBudget(measured: readonly MeasuredMigration[], maxLockMs: number): Finding[] {
  // The one that ended it is over the budget, or not known to be within it.
  const ends = new Set(measured.map(({ migration }) => notReached(migration)));
  const reached = measured.filter(({ reason }) => reason === null || !ends.has(reason));
  return reached.flatMap((one) => {
    const locks = one.locks.filter(({ blocks, heldMs }) => blocks !== "schema changes" && heldMs > maxLockMs);
    const [longest] = locks;
    if (longest !== undefined) return [tooLong(one, longest, maxLockMs)];
    const unknown = unknownTime(one);
    return unknown === undefined ? [] : [notKnown(one, unknown, maxLockMs)];
  });
}

function tooLong({ migration, outcome }: MeasuredMigration, lock: MeasuredLock, maxLockMs: number): Finding {
  const { mode, table, blocks, heldMs } = lock;
  const held = `${outcome === "measured" ? "" : "at least "}${timeOf(heldMs)}`;
  return {
    code: "LOCK_BUDGET",
    migrations: [migration],
    message: `${migration} would block ${blocks} of ${table} for ${held} (${mode}); at most ${timeOf(maxLockMs)} is allowed`,
    hint: Hint.of`Do the work without that lock (an index CONCURRENTLY, a constraint NOT VALID and validated later, rows in batches), or allow more with ${Hint.option("maxLockMs")}.`,
  };
}

function notKnown({ migration }: MeasuredMigration, reason: string, maxLockMs: number): Finding {
  return {
    code: "LOCK_BUDGET",
    migrations: [migration],
    message: `${migration} cannot be shown to block reads and writes for at most ${timeOf(maxLockMs)}: ${reason}`,
    hint: Hint.of`Apply it once without ${Hint.option("maxLockMs")}, at a time when a longer lock does no harm; or write it so that it can be measured.`,
  };
}

function unknownTime({ outcome, reason, blocksNobody, omitted }: MeasuredMigration): string | undefined {
  if (outcome !== "measured") return blocksNobody ? undefined : (reason ?? outcome);
  const hidden = omitted.find(({ whileLocked }) => whileLocked);
  return (
    hidden &&
    `statement ${hidden.statement}, which runs while a table is locked, was left out (${hidden.effect})`
  );
}
