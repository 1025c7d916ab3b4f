import { createHash } from "node:crypto";
import {
  type BackgroundState,
  type ContractWait,
  compareMigrations,
  given,
  inRunningOrder,
  MigrationError,
  type MigrationSource,
  type MigrationState,
  type StatusReport,
} from "../core/index.ts";
import { sqlDigest } from "../sql/index.ts";
import { progressOf, readCheckpoint } from "./backfill-progress.ts";
import {
  type Baseline,
  type Coverage,
  compareBaselines,
  coverageOf,
  readBaselines,
  recordedNote,
  withoutReplaced,
} from "./baselines.ts";
import { type ChangedMigrations, digestAll, digestApplied, findChanged, findRenamed } from "./compare.ts";
import { type Context, loadOptions } from "./context.ts";
import { type PendingContracts, readContracts, waitingMigrations } from "./contracts.ts";
import {
  type AppliedMigration,
  readAccepted,
  readFingerprint,
  readStored,
  type Stored,
} from "./history/read.ts";
import { readReleases } from "./history/runs.ts";
import { asReading, type Existing, findTables } from "./history/tables.ts";
import { inOrder } from "./load.ts";
import { findResumable } from "./resume.ts";

/** State of the database and of the migration files at one moment. */
export interface DatabaseState {
  readonly existing: Existing;
  readonly stored: Stored;
  /** Every migration of either side with its state, in running order. */
  readonly classified: readonly Classified[];
  /** Applied migrations whose SQL has changed, with the SQL as it is now. */
  readonly changed: ChangedMigrations;
  /** Changed migrations whose SQL was recorded before a `repair` accepted newer SQL: files of an earlier commit. */
  readonly superseded: ReadonlySet<string>;
  /** What the database has of the migrations that each baseline replaces. */
  readonly baselines: readonly Coverage[];
  /** Names of partial migrations that `up` goes on with by itself. */
  readonly resumable: ReadonlySet<string>;
  /** New names of applied migrations whose files were renamed, by their old names. */
  readonly renamed: ReadonlyMap<string, string>;
  /** What decides whether a pending contract waits; undefined when none is pending. */
  readonly contracts: PendingContracts | undefined;
  /** True for a database with tables of which no migration tool keeps a record. */
  readonly unmanaged: boolean;
  /** Configured schemas that do not exist and are not to be created. */
  readonly missingSchemas: readonly string[];
}

/** Reads the state. Takes no lock and writes nothing. */
export function readState(context: Context): Promise<DatabaseState> {
  return asReading(context.tables, async () => {
    const { session, source, tables, options } = context;
    const existing = await findTables(session, tables);
    // Without a history there is nothing to compare with.
    const digesting = existing.history ? digestAll(source) : new Map<string, string>();
    const [stored, early] = await Promise.all([readStored(session, tables, existing), digesting]);
    const baselines = compareBaselines(await readBaselines(source), stored.applied);
    const digests = early ?? (await digestApplied(source, stored.applied));
    const quiet = { ...loadOptions(context), warn: () => {} };
    const changed = await findChanged(source, stored.applied, digests, quiet);
    const superseded = await findSuperseded(context, existing, changed, digests);
    const classified = classify({
      entries: source.entries,
      applied: shownNames(source, stored.applied, baselines),
      replaced: new Set(baselines.flatMap(({ replaced }) => replaced)),
      changed: new Set(changed.keys()),
      partial: new Set(stored.partial.map((m) => m.name)),
    });
    const contracts = await readPendingContracts(context, existing, classified, baselines);
    const renamed = await findRenamed(source, stored.applied, quiet);
    const unmanaged = existing.occupied && !existing.applied && !existing.history;
    const missingSchemas = options.createSchema ? [] : existing.missingSchemas;
    return {
      existing,
      stored,
      classified,
      changed,
      superseded,
      baselines,
      contracts,
      resumable: findResumable(stored, source),
      renamed,
      unmanaged,
      missingSchemas,
    };
  });
}

/** Costs a query only where a contract is pending. */
async function readPendingContracts(
  { session, source, tables }: Context,
  existing: Existing,
  classified: readonly Classified[],
  baselines: readonly Coverage[],
): Promise<PendingContracts | undefined> {
  const pending = new Set(namesIn(classified, "pending"));
  if (pending.size === 0) return undefined;
  const targets = new Map([...(await readContracts(source))].filter(([name]) => pending.has(name)));
  if (targets.size === 0) return undefined;
  const standingFor = (name: string) =>
    baselines.flatMap((one) => (one.replaced.includes(name) ? [one.name] : []));
  const named = [...targets.values()].flatMap((name) => [name, ...standingFor(name)]);
  return { targets, standingFor, releases: await readReleases(session, tables, existing, named) };
}

/**
 * The names to show as applied. A baseline that was only recorded did nothing: it is not shown beside the files of a
 * commit before the squash.
 */
export function shownNames(
  source: MigrationSource,
  applied: readonly Pick<AppliedMigration, "name" | "recordedAs">[],
  baselines: readonly Baseline[],
): readonly string[] {
  const present = new Set(source.entries.map(({ name }) => name));
  const shown = applied.filter(({ name, recordedAs }) => recordedAs === null || present.has(name));
  return withoutReplaced(
    shown.map(({ name }) => name),
    baselines,
  );
}

async function findSuperseded(
  { session, tables }: Context,
  existing: Existing,
  changed: ChangedMigrations,
  digests: ReadonlyMap<string, string>,
): Promise<ReadonlySet<string>> {
  if (changed.size === 0) return new Set();
  const present = [...changed].map(([name, steps]) => ({
    name,
    sql: steps === undefined ? null : sqlDigest(steps),
    source: digests.get(name) ?? null,
  }));
  return readAccepted(session, tables, existing, present);
}

/** Names of the migrations in this state. */
export function namesIn(classified: readonly Classified[], state: MigrationState): string[] {
  return classified.flatMap((m) => (m.state === state ? [m.name] : []));
}

/** Newest applied name in running order. */
export function headOf({ stored, classified }: Pick<DatabaseState, "stored" | "classified">): string | null {
  const applied = new Set(stored.applied.map((m) => m.name));
  return classified.findLast((m) => applied.has(m.name))?.name ?? null;
}

/** Names of the source's migrations, in running order. */
export function knownNames(source: MigrationSource): string[] {
  return inOrder(source).map((entry) => entry.name);
}

/** The part of a status report that shows the migrations. */
export function describeState(
  state: DatabaseState,
  waiting: ReadonlyMap<string, ContractWait>,
  backgrounds: ReadonlyMap<string, BackgroundState>,
): Pick<StatusReport, "migrations" | "head" | "counts" | "waiting"> {
  const applied = new Map(state.stored.applied.map((m) => [m.name, m.appliedAt]));
  const partial = new Map(state.stored.partial.map((m) => [m.name, m]));
  const covered = new Map(
    state.baselines.flatMap((one) => (one.has === "all" ? [[one.name, recordedNote(one)] as const] : [])),
  );
  const backfills = new Map(state.stored.backfills.map((m) => [m.name, m.progress]));
  const migrations = state.classified.map((one) => {
    const { name } = one;
    const [at, stopped] = [applied.get(name), partial.get(name)];
    const appliedAt = at === undefined ? null : `${at.slice(0, 23)}Z`;
    const note = one.state === "pending" ? covered.get(name) : undefined;
    const checkpoint = one.state === "pending" ? readCheckpoint(backfills.get(name)) : undefined;
    const backfill = checkpoint === undefined ? undefined : progressOf(checkpoint);
    const waitsFor = waiting.get(name);
    const status = { name, state: one.state, appliedAt, ...given({ note, backfill, waitsFor }) };
    if (stopped === undefined) return status;
    const { statement, statements } = stopped;
    const background = backgrounds.get(name);
    return { ...status, statement, ...(statements === null ? {} : { statements }), ...given({ background }) };
  });
  const counts = countStates(state.classified);
  return { migrations, head: headOf(state), counts, waiting: waitingMigrations(waiting) };
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
export async function isUpToDate({ session, source, tables }: Context): Promise<boolean> {
  try {
    const baselines = await readBaselines(source);
    const replaced = baselines.flatMap((one) => one.replaced);
    const [stored, files] = await Promise.all([
      readFingerprint(session, tables, replaced),
      digestAll(source),
    ]);
    const applied = new Set([...baselines.map(({ name }) => name), ...(stored?.replaced ?? [])]);
    const isWhole = baselines.every((one) => coverageOf(one, applied) !== "some");
    return files !== undefined && isWhole && stored?.fingerprint === fingerprintOf(files);
  } catch (error) {
    // Reading the whole state explains what is wrong.
    const isExplained =
      error instanceof MigrationError && ["SQL", "UNTRUSTED_HISTORY", "MIGRATION"].includes(error.code);
    if (isExplained && session.usable) return false;
    throw error;
  }
}

/** As `readFingerprint` computes it, with names in the order of their code units. */
function fingerprintOf(files: ReadonlyMap<string, string>): string {
  const lines = [...files.keys()].sort().map((name) => `${name}/${files.get(name)}`);
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

/** A migration with its state. */
export interface Classified {
  readonly name: string;
  readonly state: MigrationState;
}

/** What states are decided from: names only, no files. */
export interface Names {
  /** The source's migrations, in any order. */
  readonly entries: readonly { readonly name: string; readonly fileName: string }[];
  /** Names in the table of applied migrations, in the order they were applied. */
  readonly applied: readonly string[];
  /** Names that a baseline replaces: they have no file, and are not missing. */
  readonly replaced?: ReadonlySet<string>;
  readonly changed: ReadonlySet<string>;
  readonly partial: ReadonlySet<string>;
}

/** Every migration of either side with its state, in running order. */
export function classify(names: Names): Classified[] {
  const applied = new Set(names.applied);
  const entries = inRunningOrder(names.entries, ({ fileName }) => fileName);
  const sortKey = new Map(entries.map((entry) => [entry.name, entry.fileName]));
  const newest = entries.at(-1)?.fileName;
  const stateOf = (name: string): MigrationState => {
    if (names.partial.has(name)) return "partial";
    if (!applied.has(name)) return "pending";
    if (sortKey.has(name)) return names.changed.has(name) ? "changed" : "applied";
    if (names.replaced?.has(name)) return "applied";
    return newest !== undefined && compareMigrations(name, newest) < 0 ? "missing" : "ahead";
  };
  const all = [...new Set([...sortKey.keys(), ...names.applied, ...names.partial])];
  return inRunningOrder(all, (name) => sortKey.get(name) ?? name).map((name) => ({
    name,
    state: stateOf(name),
  }));
}

/** Pending migrations that are older than the newest applied one. */
export function outOfOrder(classified: readonly Classified[]): string[] {
  const newestApplied = classified.findLastIndex(({ state }) => state !== "pending" && state !== "partial");
  return classified
    .slice(0, Math.max(newestApplied, 0))
    .flatMap((m) => (m.state === "pending" ? [m.name] : []));
}
