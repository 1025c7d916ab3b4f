import { MigrationError } from "../core/index.ts";

/** How much of what could run shall run: a number of migrations, or everything as far as a name. */
export interface Extent {
  /** At least 1. */
  readonly count?: number;
  readonly to?: string;
}

/** How much a `down` undoes: as for `up`, everything that the last run applied, or what a bundle has brought. */
export interface DownExtent extends Extent {
  readonly batch?: boolean;
  readonly bundle?: BundleExtent;
}

/** What one compiled bundle has applied; what the bundle that takes its place still holds stays. */
export interface BundleExtent {
  /** Hash of its manifest, as the history has it. */
  readonly hash: string;
  readonly isKept: (name: string) => boolean;
}

/** An applied migration, with what applied it as far as is recorded. */
export interface AppliedBy {
  readonly name: string;
  readonly run: string | null;
  readonly bundle: string | null;
}

/**
 * Pending names an `up` takes: all, the first `count`, or all as far as and including `to`.
 * @throws MigrationError `USAGE`, also for a count that can only be the number of a migration
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
 * Applied names a `down` takes, newest first: the last one, the last `count`, all that were applied after `to`
 * (which itself stays), all that the last run applied, or all that a bundle did. `rows` are in the order of application.
 * @throws MigrationError `USAGE`, also for a count above what is applied
 */
export function selectDown(rows: readonly AppliedBy[], extent: DownExtent): string[] {
  requireOne(extent);
  const applied = rows.map(({ name }) => name);
  if (extent.batch) return lastBatch(rows).reverse();
  if (extent.bundle !== undefined) return broughtBy(rows, extent.bundle).reverse();
  if (extent.count !== undefined) return applied.slice(-requireDownCount(extent.count, applied)).reverse();
  if (extent.to === undefined) return applied.slice(-1).reverse();
  const target = applied.indexOf(extent.to);
  if (target < 0) throw unknownName(extent.to, applied);
  return applied.slice(target + 1).reverse();
}

function broughtBy(rows: readonly AppliedBy[], { hash, isKept }: BundleExtent): string[] {
  return rows.flatMap(({ name, bundle }) => (bundle === hash && !isKept(name) ? [name] : []));
}

function lastBatch(rows: readonly AppliedBy[]): string[] {
  const last = rows.at(-1);
  if (last === undefined) return [];
  if (last.run !== null) return rows.filter(({ run }) => run === last.run).map(({ name }) => name);
  throw new MigrationError("USAGE", `it is not recorded which run applied ${last.name}`, {
    hint: "It was applied by plain node-pg-migrate: give a count, or a name with --to.",
  });
}

function requireOne({ count, to, batch, bundle }: DownExtent): void {
  const given = [
    ...(count === undefined ? [] : [`a count (${count})`]),
    ...(to === undefined ? [] : [`a target ("${to}")`]),
    ...(batch ? ["the last batch"] : []),
    ...(bundle === undefined ? [] : ["a bundle"]),
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

/** No folder has so many migrations: such a number is the timestamp of one. */
const LEAST_TIMESTAMP = 10_000_000;

/** More than is pending means "all", unless the number is one that a migration begins with. */
function requireUpCount(count: number, pending: readonly string[], known: readonly string[]): number {
  requireCount(count);
  if (count <= pending.length) return count;
  const meant = known.filter((name) => beginsWithNumber(name, count));
  if (meant.length === 0 && count < LEAST_TIMESTAMP) return count;
  throw notACount(count, amountOf(pending, "pending"), meant, "applies as far as that one");
}

/** Undoing more than was meant destroys data, so a count must be one that can be meant. Where nothing is applied, nothing can be lost. */
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
      ? "Give a number that is not above it, or a name with --to; `status` lists the names."
      : `Did you mean --to ${name}, which ${effect}?`;
  return new MigrationError("USAGE", `the count is ${count}, but there ${there}`, { hint });
}

function unknownName(name: string, known: readonly string[]): MigrationError {
  const near = known.filter((candidate) => candidate.includes(name) || name.includes(candidate)).slice(0, 3);
  const hint =
    near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "`status` lists the names that can be given.";
  return new MigrationError("USAGE", `there is no migration named "${name}" to stop at`, { hint });
}
