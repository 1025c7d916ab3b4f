import { type BackfillProgress, property } from "../core/index.ts";
import type { Key } from "./backfill-table.ts";

/** How far a backfill has come, as the history keeps it: written in the transaction of each batch. */
export interface Checkpoint {
  /** Names of the key columns that `key` belongs to. */
  readonly columns: readonly string[];
  /** The last key that was visited; null before the first batch. */
  readonly key: Key | null;
  /** Rows that were visited. */
  readonly rows: number;
  /** Rows that the statement wrote. */
  readonly written: number;
  /** Estimate of the rows of the table. */
  readonly total: number;
  /** Rows of the next batch. */
  readonly size: number;
  /** Milliseconds of work so far, pauses included. */
  readonly ms: number;
}

/** What goes into the column `progress` of the history. */
export function recordOf(checkpoint: Checkpoint): Readonly<Record<string, unknown>> {
  return { kind: "backfill", ...checkpoint };
}

/** Reads a checkpoint from the history; undefined for one that is not understood. */
export function readCheckpoint(progress: unknown): Checkpoint | undefined {
  const columns = texts(property(progress, "columns"));
  const key = property(progress, "key");
  const last = key === null ? null : texts(key);
  const [rows, written, total, size, ms] = ["rows", "written", "total", "size", "ms"].map((name) => {
    const value = property(progress, name);
    return typeof value === "number" ? value : undefined;
  });
  if (columns === undefined || last === undefined || rows === undefined) return undefined;
  return { columns, key: last, rows, written: written ?? 0, total: total ?? 0, size: size ?? 1, ms: ms ?? 0 };
}

function texts(value: unknown): readonly string[] | undefined {
  const list: unknown[] = Array.isArray(value) ? value : [undefined];
  const found = list.filter((one) => typeof one === "string");
  return found.length === list.length ? found : undefined;
}

/** For people: how much is done and how long the rest takes, if it goes on at this speed. */
export function progressOf({ rows, written, total, ms }: Checkpoint): BackfillProgress {
  const perMs = rows > 0 && ms > 0 ? rows / ms : null;
  // The estimate of the planner may be too low.
  const left = Math.max(0, total - rows);
  return {
    rows,
    written,
    total: Math.max(total, rows),
    percent: Math.min(99, Math.floor((100 * rows) / Math.max(1, total))),
    rowsPerSecond: perMs === null ? null : Math.round(perMs * 1000),
    leftMs: perMs === null ? null : Math.round(left / perMs),
  };
}
