import {
  type Finding,
  Hint,
  MigrationError,
  type MigrationSource,
  parseBaselineHeader,
  type ReplacedMigration,
  replacedNames,
  shortSqlDigest,
} from "../core/index.ts";
import type { AppliedMigration } from "./history/read.ts";
import { RECORDED_NOTE } from "./history/tables.ts";

/** A migration that `squash` wrote in place of others. */
export interface Baseline {
  readonly name: string;
  readonly replaces: readonly ReplacedMigration[];
  /** All names that it stands for, also those that an earlier baseline replaced. */
  readonly replaced: readonly string[];
}

/**
 * What a database has of the migrations that a baseline replaces. `none`: the baseline is a migration like any other;
 * `all`: it is recorded and its SQL does not run; `some`: neither is possible.
 */
export interface Coverage extends Baseline {
  readonly has: "none" | "all" | "some";
  readonly lacking: readonly string[];
  /** Replaced migrations that were applied with other SQL than the baseline was made from. */
  readonly differing: readonly string[];
}

/** @throws MigrationError `MIGRATION` for a wrong header, and for a replaced migration whose file is still there */
export async function readBaselines(
  source: Pick<MigrationSource, "entries" | "baselineHeaders">,
): Promise<readonly Baseline[]> {
  const headers = (await source.baselineHeaders?.()) ?? new Map<string, readonly string[]>();
  if (headers.size === 0) return [];
  const present = new Set(source.entries.map(({ name }) => name));
  return [...headers].map(([name, header]) => {
    const replaces = parseBaselineHeader(name, header);
    const replaced = replacedNames(replaces);
    const both = replaced.find((one) => present.has(one));
    if (both !== undefined) throw stillThere(name, both);
    return { name, replaces, replaced };
  });
}

function stillThere(name: string, replaced: string): MigrationError {
  return new MigrationError("MIGRATION", `${name} replaces ${replaced}, whose file is still there`, {
    migration: name,
    hint: `Delete the file of ${replaced}: squash has put what it does into ${name}. If it was added again by a merge, compare the two first.`,
  });
}

export function coverageOf(baseline: Baseline, applied: ReadonlySet<string>): Coverage["has"] {
  if (!baseline.replaced.some((name) => applied.has(name))) return "none";
  return lackingOf(baseline.replaces, applied).length === 0 ? "all" : "some";
}

/** A baseline among the replaced ones may have been recorded, or stand for what it replaced. */
function lackingOf(replaces: readonly ReplacedMigration[], applied: ReadonlySet<string>): readonly string[] {
  return replaces.flatMap(({ name, replaces: inner }) => {
    if (applied.has(name)) return [];
    const innerNames = replacedNames(inner);
    return innerNames.some((one) => applied.has(one)) ? lackingOf(inner, applied) : [name];
  });
}

export function compareBaselines(
  baselines: readonly Baseline[],
  applied: readonly AppliedMigration[],
): readonly Coverage[] {
  if (baselines.length === 0) return [];
  const byName = new Map(applied.map((one) => [one.name, one]));
  const names = new Set(byName.keys());
  return baselines.map((baseline) => ({
    ...baseline,
    has: coverageOf(baseline, names),
    lacking: lackingOf(baseline.replaces, names),
    differing: differingOf(baseline.replaces, byName),
  }));
}

/** Only SQL that was recorded by the same version of the digest can be compared. */
function differingOf(
  replaces: readonly ReplacedMigration[],
  applied: ReadonlyMap<string, AppliedMigration>,
): readonly string[] {
  return replaces.flatMap(({ name, sqlDigest, replaces: inner }) => {
    const { sqlDigest: digest = null, digestVersion: version = null } = applied.get(name) ?? {};
    const below = differingOf(inner, applied);
    if (sqlDigest === undefined || digest === null || version === null) return below;
    if (!sqlDigest.startsWith(`${version}:`)) return below;
    return shortSqlDigest(version, digest) === sqlDigest ? below : [name, ...below];
  });
}

/** The applied names without those that an applied baseline stands for: a status shows the baseline in their place. */
export function withoutReplaced(
  applied: readonly string[],
  baselines: readonly Baseline[],
): readonly string[] {
  const names = new Set(applied);
  const hidden = new Set(
    baselines
      .filter((one) => names.has(one.name) && coverageOf(one, names) === "all")
      .flatMap(({ replaced }) => replaced),
  );
  return hidden.size === 0 ? applied : applied.filter((name) => !hidden.has(name));
}

export function recordedNote({ replaced }: Baseline): string {
  const [one] = replaced;
  const what = replaced.length === 1 ? one : `${replaced.length} migrations`;
  return `${RECORDED_NOTE.begins}${what}${RECORDED_NOTE.ends}`;
}

const SHOWN = 5;

/** Why `up` may not run: it would be unknown what the database gets. */
export function incompleteFinding({ name, has, lacking, replaces }: Coverage): Finding | undefined {
  if (has !== "some") return undefined;
  const last = replaces.at(-1)?.name ?? name;
  return {
    code: "SQUASHED",
    migrations: lacking,
    message: `${name} replaces migrations of which this database has only some; not applied: ${listed(lacking)}`,
    hint: Hint.of`Check out the commit before the squash (or deploy it), apply the rest with ${Hint.command("up", { to: last })}, and come back.`,
  };
}

export function differingFinding({ name, has, differing }: Coverage): Finding | undefined {
  if (has !== "all" || differing.length === 0) return undefined;
  return {
    code: "SQUASHED",
    migrations: differing,
    message: `applied with other SQL than ${name} was made from: ${listed(differing)}`,
    hint: Hint.of`Check out the commit before the squash, where ${Hint.command("status")} shows what has changed; settle it there, with a new migration or with ${Hint.command("repair")}, and come back.`,
  };
}

function listed(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return names.slice(0, SHOWN).join(", ") + more;
}
