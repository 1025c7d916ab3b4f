import { createHash } from "node:crypto";
import {
  compareMigrations,
  inRunningOrder,
  MigrationError,
  type MigrationSource,
  type MigrationState,
  type ResolvedOptions,
  type RunReport,
  type StatusReport,
} from "../core/index.ts";
import type { Situation } from "./checks.ts";
import { type ChangedMigrations, digestAll, digestApplied, findChanged, findRenamed } from "./compare.ts";
import type { Session } from "./connection/session.ts";
import type { Workspace } from "./context.ts";
import { readAccepted, readFingerprint, readStored, type Stored } from "./history/read.ts";
import { type Existing, findTables, type Tables } from "./history/tables.ts";
import { inOrder, type LoadOptions } from "./load.ts";
import { sqlDigest } from "./sql/digest.ts";

/** What the database and the files say together at one moment. */
export interface Survey extends Situation {
  readonly existing: Existing;
  readonly stored: Stored;
  readonly changed: ChangedMigrations;
}

/** Reads both sides. Takes no lock and writes nothing. */
export async function survey(
  session: Session,
  source: MigrationSource,
  tables: Tables,
  options: ResolvedOptions & Pick<LoadOptions, "observe" | "signal">,
): Promise<Survey> {
  const existing = await findTables(session, tables);
  // Without a history there is nothing to compare with.
  const digesting = existing.history ? digestAll(source) : new Map<string, string>();
  const [stored, early] = await Promise.all([readStored(session, tables, existing), digesting]);
  const files = early ?? (await digestApplied(source, stored.applied));
  const changed = await findChanged(source, stored.applied, files, {
    decamelize: options.decamelize,
    warn: () => {},
    observe: options.observe,
    signal: options.signal,
  });
  const present = [...changed].map(([name, steps]) => ({
    name,
    sql: steps === undefined ? null : sqlDigest(steps),
    source: files.get(name) ?? null,
  }));
  const superseded =
    present.length > 0 ? await readAccepted(session, tables, existing, present) : new Set<string>();
  const classified = classify({
    entries: source.entries,
    applied: stored.applied.map((m) => m.name),
    changed: new Set(changed.keys()),
    partial: new Set(stored.partial.map((m) => m.name)),
  });
  const renamed = await findRenamed(source, stored.applied, {
    decamelize: options.decamelize,
    warn: () => {},
    observe: options.observe,
    signal: options.signal,
  });
  const unmanaged = existing.occupied && !existing.applied && !existing.history;
  const missingSchemas = options.createSchema ? [] : existing.missingSchemas;
  return { existing, stored, classified, unmanaged, missingSchemas, changed, superseded, renamed };
}

export function namesIn(classified: readonly Classified[], state: MigrationState): string[] {
  return classified.flatMap((m) => (m.state === state ? [m.name] : []));
}

/** Newest applied name in running order. */
export function headOf({ stored, classified }: Survey): string | null {
  const applied = new Set(stored.applied.map((m) => m.name));
  return classified.findLast((m) => applied.has(m.name))?.name ?? null;
}

/** Names of the migrations at hand, in running order. */
export function knownNames(source: MigrationSource): string[] {
  return inOrder(source).map((entry) => entry.name);
}

export function describeSurvey(found: Survey): Pick<StatusReport, "migrations" | "head" | "counts"> {
  const applied = new Map(found.stored.applied.map((m) => [m.name, m.appliedAt]));
  const partial = new Map(found.stored.partial.map((m) => [m.name, m]));
  const migrations = found.classified.map(({ name, state }) => {
    const [at, stopped] = [applied.get(name), partial.get(name)];
    const appliedAt = at === undefined ? null : `${at.slice(0, 23)}Z`;
    const status = { name, state, appliedAt };
    if (stopped === undefined) return status;
    const { statement, statements } = stopped;
    return { ...status, statement, ...(statements === null ? {} : { statements }) };
  });
  return { migrations, head: headOf(found), counts: countStates(found.classified) };
}

/** How many migrations are in each state. */
export function countStates(classified: readonly Classified[]): Record<MigrationState, number> {
  const counts = { applied: 0, pending: 0, changed: 0, partial: 0, missing: 0, ahead: 0 };
  for (const { state } of classified) counts[state] += 1;
  return counts;
}

/**
 * Whether exactly the source's migrations are applied, as their files are now, and none is partial. False when that
 * takes more than one value of either side to know, for example on a database that was never migrated.
 */
export async function isUpToDate({ session, source, tables }: Workspace): Promise<boolean> {
  try {
    const [stored, files] = await Promise.all([readFingerprint(session, tables), digestAll(source)]);
    return files !== undefined && stored === fingerprintOf(files);
  } catch (error) {
    // Reading the whole state explains what is wrong.
    const isExplained = error instanceof MigrationError && ["SQL", "UNTRUSTED_HISTORY"].includes(error.code);
    if (isExplained && session.usable) return false;
    throw error;
  }
}

/** The report of a run that found the database up to date. */
export function upToDateReport(source: MigrationSource): RunReport {
  const names = knownNames(source);
  return {
    run: null,
    completed: [],
    head: names.at(-1) ?? null,
    pending: [],
    counts: countStates(names.map((name) => ({ name, state: "applied" }))),
    tables: null,
    warnings: [],
  };
}

/** As `readFingerprint` computes it, with names in the order of their code units. */
function fingerprintOf(files: ReadonlyMap<string, string>): string {
  const lines = [...files.keys()].sort().map((name) => `${name}/${files.get(name)}`);
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

export interface Classified {
  readonly name: string;
  readonly state: MigrationState;
}

/** What is known when states are decided: names only, no files. */
export interface Known {
  /** Migrations at hand: file names in any order, with the names they are recorded under. */
  readonly entries: readonly { readonly name: string; readonly fileName: string }[];
  /** Names in the table of applied migrations, in the order they were applied. */
  readonly applied: readonly string[];
  readonly changed: ReadonlySet<string>;
  readonly partial: ReadonlySet<string>;
}

/** Every migration of either side with its state, in running order. */
export function classify(known: Known): Classified[] {
  const applied = new Set(known.applied);
  const entries = inRunningOrder(known.entries, ({ fileName }) => fileName);
  const sortKey = new Map(entries.map((entry) => [entry.name, entry.fileName]));
  const newest = entries.at(-1)?.fileName;
  const stateOf = (name: string): MigrationState => {
    if (known.partial.has(name)) return "partial";
    if (!applied.has(name)) return "pending";
    if (sortKey.has(name)) return known.changed.has(name) ? "changed" : "applied";
    return newest !== undefined && compareMigrations(name, newest) < 0 ? "missing" : "ahead";
  };
  const names = [...new Set([...sortKey.keys(), ...known.applied, ...known.partial])];
  return inRunningOrder(names, (name) => sortKey.get(name) ?? name).map((name) => ({
    name,
    state: stateOf(name),
  }));
}

/** Pending migrations that an applied one has already overtaken, each with the newest applied name. */
export function outOfOrder(classified: readonly Classified[]): string[] {
  const newestApplied = classified.findLastIndex(({ state }) => state !== "pending" && state !== "partial");
  return classified
    .slice(0, Math.max(newestApplied, 0))
    .flatMap((m) => (m.state === "pending" ? [m.name] : []));
}
