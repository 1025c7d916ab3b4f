import type { MigrationSource, MigrationState, ResolvedOptions, StatusReport } from "../core/index.ts";
import { type ChangedMigrations, digestAll, digestApplied, findChanged } from "./build/compare.ts";
import { inOrder, type LoadOptions } from "./build/load.ts";
import { findRenamed } from "./build/renamed.ts";
import type { Session } from "./connection/session.ts";
import type { Situation } from "./plan/gate.ts";
import { type Classified, classify } from "./plan/states.ts";
import { sqlDigest } from "./sql/digest.ts";
import { readAccepted, readStored, type Stored } from "./store/read.ts";
import { type Existing, findTables, type Tables } from "./store/tables.ts";

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
