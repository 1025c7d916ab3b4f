import { type ApprovedPlan, Hint, MigrationError } from "../core/index.ts";

/** How many migrations a run takes: a number, or all up to a name. */
export interface Extent {
  /** At least 1. */
  readonly count?: number;
  readonly to?: string;
}

/** How many migrations a `down` takes: as `up`, or the batch of the last run, or those that a release has applied. */
export interface DownExtent extends Extent {
  readonly batch?: boolean;
  readonly release?: ReleaseExtent;
}

/** What a run that is divided has still to do: names, because a count means others once a part of it is done. */
export interface RestOfRun {
  /** Of a `down` or a `redo`. */
  readonly undo: readonly string[];
  /** Of a `redo`: what it applies again, in this order. */
  readonly apply?: readonly string[];
  /** Of a `down` whose approved plan is given as a digest: that plan, which is known before a part of it is done. */
  readonly approved?: ApprovedPlan;
}

/** The migrations that one release has applied, except those that the release after it keeps. */
export interface ReleaseExtent {
  /** Hash of its manifest, as in the history. */
  readonly hash: string;
  readonly isKept: (name: string) => boolean;
}

/** An applied migration with the run and the release that applied it, as far as they are recorded. */
export interface AppliedBy {
  readonly name: string;
  readonly run: string | null;
  /** Hash of its manifest. */
  readonly release: string | null;
}

/**
 * The pending migrations that an `up` takes: all, the first `count`, or all up to and including `to`.
 * @throws MigrationError `USAGE`, also for a count that must be meant as the number of a migration
 */
export function selectUp(pending: readonly string[], known: readonly string[], extent: Extent): string[] {
  requireOne(extent);
  if (extent.count !== undefined) return pending.slice(0, requireUpCount(extent.count, pending, known));
  const { to } = extent;
  if (to === undefined) return [...pending];
  const target = known.indexOf(to);
  if (target < 0) throw unknownName(to, known);
  return pending.filter((name) => known.indexOf(name) <= target);
}

/**
 * The applied migrations that a `down` takes, newest first: the last one, the last `count`, all that were applied after
 * `to`, the batch of the last run, or those of a release. `rows` are in the order of application. A count goes as far as
 * there are `shown` ones: a status shows a baseline in place of what it replaces.
 * @throws MigrationError `USAGE`, also for a count above what is applied
 */
export function selectDown(
  rows: readonly AppliedBy[],
  extent: DownExtent,
  shown: readonly string[] = rows.map(({ name }) => name),
): string[] {
  requireOne(extent);
  const applied = rows.map(({ name }) => name);
  if (extent.batch) return lastBatch(rows).reverse();
  if (extent.release !== undefined) return appliedByRelease(rows, extent.release).reverse();
  if (extent.count !== undefined) return applied.slice(-requireDownCount(extent.count, shown)).reverse();
  if (extent.to === undefined) return applied.slice(-1).reverse();
  const target = applied.indexOf(extent.to);
  if (target < 0) throw unknownName(extent.to, applied);
  return applied.slice(target + 1).reverse();
}

/**
 * The migrations that a divided run has still to undo, newest first. Those that it has applied again on top of them are
 * undone with them.
 * @throws MigrationError `PLAN_DIFFERS` if others were applied since it began
 */
export function selectRest(applied: readonly string[], { undo, apply = [] }: RestOfRun): string[] {
  const oldest = applied.findIndex((name) => undo.includes(name));
  const rest = oldest < 0 ? [] : applied.slice(oldest);
  const others = rest.filter((name) => !undo.includes(name) && !apply.includes(name));
  if (others.length === 0) return rest.reverse();
  throw new MigrationError("PLAN_DIFFERS", `applied since this run began: ${others.join(", ")}`, {
    hint: Hint.of`They would be undone too. ${Hint.command("status")} shows what is applied now: decide anew what to undo.`,
  });
}

function appliedByRelease(rows: readonly AppliedBy[], { hash, isKept }: ReleaseExtent): string[] {
  return rows.flatMap(({ name, release }) => (release === hash && !isKept(name) ? [name] : []));
}

function lastBatch(rows: readonly AppliedBy[]): string[] {
  const last = rows.at(-1);
  if (last === undefined) return [];
  if (last.run !== null) return rows.filter(({ run }) => run === last.run).map(({ name }) => name);
  throw new MigrationError("USAGE", `it is not recorded which run applied ${last.name}`, {
    hint: Hint.of`It was applied by plain node-pg-migrate: give a count, or a name with ${Hint.field("to")}.`,
  });
}

function requireOne({ count, to, batch, release }: DownExtent): void {
  const given = [
    ...(count === undefined ? [] : [`a count (${count})`]),
    ...(to === undefined ? [] : [`a target ("${to}")`]),
    ...(batch ? ["the last batch"] : []),
    ...(release === undefined ? [] : ["a release"]),
  ];
  if (given.length < 2) return;
  throw new MigrationError("USAGE", `${given.join(" and ")} exclude each other`, {
    hint: "Give one of them.",
  });
}

function requireCount(count: number): number {
  if (Number.isInteger(count) && count >= 1) return count;
  throw new MigrationError(
    "USAGE",
    `the number of migrations must be a whole number from 1 up, not ${count}`,
  );
}

/** No folder has so many migrations: such a number is the timestamp of a migration. */
const LEAST_TIMESTAMP = 10_000_000;

/** A count above the number of pending migrations means all, unless a migration begins with that number. */
function requireUpCount(count: number, pending: readonly string[], known: readonly string[]): number {
  requireCount(count);
  if (count <= pending.length) return count;
  const meant = known.filter((name) => beginsWithNumber(name, count));
  if (meant.length === 0 && count < LEAST_TIMESTAMP) return count;
  throw notACount(count, amountOf(pending, "pending"), meant, "applies as far as that one");
}

/** A count above the number of applied migrations is refused, because undoing more than was meant destroys data. */
function requireDownCount(count: number, applied: readonly string[]): number {
  requireCount(count);
  if (count <= applied.length || applied.length === 0) return count;
  const meant = applied.filter((name) => beginsWithNumber(name, count));
  throw notACount(count, amountOf(applied, "applied"), meant, "undoes what was applied after that one");
}

function beginsWithNumber(name: string, number: number): boolean {
  const digits = /^\d+/.exec(name)?.[0];
  return digits !== undefined && Number(digits) === number;
}

function amountOf(names: readonly string[], state: string): string {
  return names.length === 1 ? `is only 1 migration ${state}` : `are only ${names.length} migrations ${state}`;
}

function notACount(count: number, there: string, meant: readonly string[], effect: string): MigrationError {
  const [name] = meant;
  const hint =
    name === undefined
      ? Hint.of`Give a number that is not above it, or a name with ${Hint.field("to")}; ${Hint.command("status")} lists the names.`
      : Hint.of`Did you mean ${Hint.field("to", name)}, which ${effect}?`;
  return new MigrationError("USAGE", `the count is ${count}, but there ${there}`, { hint });
}

function unknownName(name: string, known: readonly string[]): MigrationError {
  const near = known.filter((candidate) => candidate.includes(name) || name.includes(candidate)).slice(0, 3);
  const hint =
    near.length > 0
      ? `Did you mean ${near.join(" or ")}?`
      : Hint.of`${Hint.command("status")} lists the names that can be given.`;
  return new MigrationError("USAGE", `there is no migration named "${name}" to stop at`, { hint });
}
