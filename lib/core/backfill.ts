/**
 * A change of many rows in small transactions: `export const backfill` of a migration in TypeScript or JavaScript, in
 * place of `up`.
 *
 * @jsii ignore
 * @example
 * import type { Backfill } from "cdk-pg-migrate";
 *
 * export const backfill: Backfill = {
 *   key: "id",
 *   statement: "UPDATE orders SET total_cents = total * 100 WHERE total_cents IS NULL AND :batch",
 * };
 */
export interface Backfill {
  /**
   * One statement for the rows of a batch: UPDATE, DELETE, INSERT … SELECT, MERGE, or SELECT of a function. `:batch` in
   * it becomes the condition on the key. Another condition leaves out the rows that are right already.
   */
  readonly statement: string;
  /**
   * The table whose rows are visited, as SQL names it.
   * @default - the table that the statement updates or deletes from
   */
  readonly table?: string;
  /**
   * The columns of a unique index of that table, in its order: batches follow it. A name with an alias (`o.id`) says
   * how the statement calls the table.
   * @default - the primary key
   * @jsii ignore
   */
  readonly key?: string | readonly string[];
  /**
   * The most rows of one batch. Batches are smaller while they take longer than `targetMs`.
   * @default 10000
   */
  readonly batch?: number;
  /**
   * Milliseconds that a batch should take, and so the longest that others wait for its rows.
   * @default 250
   */
  readonly targetMs?: number;
  /**
   * Milliseconds between two batches, in which the server has time for others.
   * @default 0
   */
  readonly pauseMs?: number;
  /**
   * Milliseconds of replica lag above which the backfill waits. 0: it does not look at replicas.
   * @default 10000
   */
  readonly maxLagMs?: number;
}

/** The settings of a backfill that are not its statement, each with its default. */
export const BACKFILL_DEFAULTS = { batch: 10_000, targetMs: 250, pauseMs: 0, maxLagMs: 10_000 } as const;

/** How far a backfill has come. */
export interface BackfillProgress {
  /** Rows of the table that were visited. */
  readonly rows: number;
  /** Rows that the statement wrote. */
  readonly written: number;
  /** Rows that the table has, as the planner of the server estimates it. */
  readonly total: number;
  /** `rows` of `total`, at most 99 before the end. */
  readonly percent: number;
  /** Visited rows per second; null before the first batch. */
  readonly rowsPerSecond: number | null;
  /** Milliseconds to the end at this speed; null while that is not known. */
  readonly leftMs: number | null;
}

/** How far a backfill had come when its run stopped. */
export interface StoppedBackfill extends BackfillProgress {
  /** How many batches that run has committed. With 0, another run with as much time may get no further either. */
  readonly batches: number;
}
