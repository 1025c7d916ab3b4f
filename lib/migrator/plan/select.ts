import { MigrationError } from "../errors.ts";

export type Direction = "up" | "down";

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
 * Applied names a `down` takes, newest first: the last one, the last `count`, all that were applied after `to`
 * (which itself stays), all that the last run applied, or all that a bundle did. `rows` are in the order of application.
 */
export function selectDown(rows: readonly AppliedBy[], extent: DownExtent): string[] {
  requireOne(extent);
  const applied = rows.map(({ name }) => name);
  if (extent.batch) return lastBatch(rows).reverse();
  if (extent.bundle !== undefined) return broughtBy(rows, extent.bundle).reverse();
  if (extent.to === undefined) return applied.slice(-requireCount(extent.count ?? 1)).reverse();
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

function unknownName(name: string, known: readonly string[]): MigrationError {
  const near = known.filter((candidate) => candidate.includes(name) || name.includes(candidate)).slice(0, 3);
  const hint =
    near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "`status` lists the names that can be given.";
  return new MigrationError("USAGE", `there is no migration named "${name}" to stop at`, { hint });
}
