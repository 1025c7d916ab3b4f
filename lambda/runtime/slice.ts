import { MigrationError, type MigratorOptions, property } from "../../lib/core/index.ts";

/**
 * What comes after a slice, which is one invocation's part of a run that several invocations make. Nothing is handed from
 * one slice to the next: each goes on from what the database has.
 */
export type SliceOutcome = "done" | "continue" | "failed";

/** How the run of a slice ended: with its report, or with an error. */
export type SliceEnd = { readonly report: object } | { readonly error: unknown };

/**
 * Decides whether another slice may follow. The caller sees to the time for all of them.
 *
 * A slice whose time was up must have made progress. A statement that takes longer than a slice would lock and lose the
 * same work again, for ever.
 * @param options that the user has set: with a `lockWaitMs`, a run is not to wait longer for another one
 */
export function sliceOutcome(end: SliceEnd, options: Pick<MigratorOptions, "lockWaitMs">): SliceOutcome {
  if ("report" in end) return isInBackground(end.report) ? "continue" : "done";
  const { error } = end;
  if (!(error instanceof MigrationError)) return "failed";
  if (error.code === "LOCK_HELD") return options.lockWaitMs === undefined ? "continue" : "failed";
  return error.code === "DEADLINE" && hasProgress(error) ? "continue" : "failed";
}

const FIRST_WAIT_SECONDS = 15;
/** The longest wait between two slices that find another session at work. */
export const LONGEST_WAIT_SECONDS = 300;

/** @param waits slices in a row that have found another session at work */
export function secondsToWait(waits: number): number {
  return Math.min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** Math.min(waits, 10));
}

/** Whether the server goes on with the last statement of a run, which only the next run can record. */
function isInBackground(report: object): boolean {
  const background: unknown = property(report, "background");
  return background !== undefined && background !== null;
}

function hasProgress({ details }: MigrationError): boolean {
  const { applied = [], undone = [], backfill, background, partial } = details;
  if (background !== undefined) return true;
  // A person has to decide what becomes of a migration that stopped half-way.
  if (partial !== undefined) return false;
  return applied.length + undone.length > 0 || (backfill?.batches ?? 0) > 0;
}
