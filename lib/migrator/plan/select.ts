import { MigrationError } from "../errors.ts";

export type Direction = "up" | "down";

/** How much of what could run shall run: a number of migrations, or everything as far as a name. */
export interface Extent {
  /** At least 1. */
  readonly count?: number;
  readonly to?: string;
}

/** Pending names an `up` takes: all, the first `count`, or all as far as and including `to`. */
export function selectUp(pending: readonly string[], known: readonly string[], extent: Extent): string[] {
  requireOne(extent);
  if (extent.count !== undefined) return pending.slice(0, requireCount(extent.count));
  const { to } = extent;
  if (to === undefined) return [...pending];
  const target = known.indexOf(to);
  if (target < 0) throw unknownName(to, known);
  return pending.filter((name) => known.indexOf(name) <= target);
}

/**
 * Applied names a `down` takes, newest first: the last one, the last `count`, or all that were applied after
 * `to`, which itself stays. `applied` is in the order of application.
 */
export function selectDown(applied: readonly string[], extent: Extent): string[] {
  requireOne(extent);
  if (extent.to === undefined) return applied.slice(-requireCount(extent.count ?? 1)).reverse();
  const target = applied.indexOf(extent.to);
  if (target < 0) throw unknownName(extent.to, applied);
  return applied.slice(target + 1).reverse();
}

function requireOne(extent: Extent): void {
  if (extent.count === undefined || extent.to === undefined) return;
  throw new MigrationError(
    "USAGE",
    `a count (${extent.count}) and a target ("${extent.to}") exclude each other`,
    {
      hint: "Give one of the two.",
    },
  );
}

function requireCount(count: number): number {
  if (Number.isInteger(count) && count >= 1) return count;
  throw new MigrationError(
    "USAGE",
    `the number of migrations must be a whole number from 1 up, not ${count}`,
  );
}

function unknownName(name: string, known: readonly string[]): MigrationError {
  const near = known.filter((candidate) => candidate.includes(name) || name.includes(candidate)).slice(0, 3);
  const hint =
    near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "`status` lists the names that can be given.";
  return new MigrationError("USAGE", `there is no migration named "${name}" to stop at`, { hint });
}
