import { isDeepStrictEqual } from "node:util";
import { given, Hint, MigrationError, requireStorable, type SettleReport } from "../core/index.ts";
import { ENGINE_SCOPE } from "../postgres/index.ts";
import { DIGEST_VERSION, maskSecrets, sqlDigest } from "../sql/index.ts";
import { Attempt } from "./apply.ts";
import { type Context, loadOptions } from "./context.ts";
import { type DatabaseState, headOf, knownNames, namesIn, readState } from "./database-state.ts";
import {
  readDownSql,
  readStoppedSql,
  readUpSql,
  type StoppedSql,
  statementsOf,
} from "./history/recorded-sql.ts";
import type { HistoryEntry, HistoryWriter } from "./history/write.ts";
import { type DescribedFile, openHistory, recordFiles } from "./history-entries.ts";
import { withMigrationLock } from "./lock.ts";
import { planUp } from "./plan.ts";
import { openRun } from "./run.ts";

/** How a partial migration is resolved. */
export type Outcome = "retry" | "applied" | "reverted";

/**
 * Accepts changed files and renamed files: their present SQL and names count as what was applied.
 * @param names only these; none means all
 */
export async function repair(
  context: Context,
  names: readonly string[],
  note?: string,
): Promise<SettleReport> {
  const why = reason(note);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const before = new Map([...state.renamed].map(([old, now]) => [now, old]));
    const changed = [...namesIn(state.classified, "changed"), ...before.keys()];
    const unchanged = names.find((name) => !changed.includes(name));
    if (unchanged !== undefined) throw notChanged(unchanged, state);
    const accepted = names.length > 0 ? names : changed;
    if (accepted.length === 0) return report(state, []);
    const writer = await openHistory(context, state);
    const entries = await recordFiles(context.source, accepted, loadOptions(context));
    const stored = await readStoredSql(context, state, [...state.renamed.keys()]);
    const rows = entries.flatMap((entry) => {
      const row = { ...entry, action: "repair", state: "finished" } as const;
      const old = before.get(entry.migration);
      if (old === undefined) return [writer.recordAbout({ ...row, ...builtSql(state, entry), ...why })];
      const renamed = { note: `renamed from ${old}`, ...row, ...stored(old), ...why };
      return [writer.renameApplied(old, entry.migration), writer.recordAbout(renamed)];
    });
    await write(context, rows);
    return report(state, accepted);
  });
}

/** The recorded SQL of renamed migrations, which holds for their new names. */
export async function readStoredSql(
  { session, tables }: Context,
  { stored: { applied }, existing }: DatabaseState,
  names: readonly string[],
): Promise<(name: string) => Partial<HistoryEntry>> {
  if (names.length === 0) return () => ({});
  const [ups, downs] = [
    await readUpSql(session, tables, existing, names),
    await readDownSql(session, tables, existing, names),
  ];
  return (name) => {
    const [row, upSql, down] = [applied.find((m) => m.name === name), ups.get(name), downs.get(name)];
    return {
      ...(row?.sqlDigest == null
        ? {}
        : { sqlDigest: row.sqlDigest, digestVersion: row.digestVersion ?? DIGEST_VERSION }),
      ...given({ upSql }),
      ...(down === undefined ? {} : { downSql: down.steps }),
    };
  };
}

/** The SQL of a changed file, rendered when the state was read, so that the next comparison can use SQL again. */
function builtSql(state: DatabaseState, { migration }: DescribedFile): Partial<DescribedFile> {
  const steps = state.changed.get(migration);
  if (steps === undefined) return {};
  return { digestVersion: DIGEST_VERSION, sqlDigest: sqlDigest(steps), upSql: steps.map(maskSecrets) };
}

/** Which migrations a database has: all as far as one, or exactly these; none if nothing is given. */
export interface BaselineExtent {
  readonly to?: string;
  readonly names?: readonly string[];
  /** What says so. */
  readonly evidence?: Evidence;
}

/** A query that was answered before the migration lock was taken. Under the lock it must have the same answer. */
export interface Evidence {
  /** Completes "… has changed". */
  readonly what: string;
  readonly sql: string;
  readonly rows: readonly object[];
}

/** Declares which migrations a database has; they count as applied. Runs no SQL. */
export async function baseline(
  context: Context,
  extent: BaselineExtent = {},
  note?: string,
): Promise<SettleReport> {
  const why = reason(note);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const { applied } = state.stored;
    if (applied.length > 0) throw alreadyManaged(applied.length);
    if (extent.evidence !== undefined) await requireUnchanged(context, extent.evidence);
    const names = namesOf(knownNames(context.source), extent);
    const writer = await openHistory(context, state);
    const entries = await recordFiles(context.source, names, loadOptions(context));
    const rows = entries.map((entry) =>
      writer.recordApplied({ ...entry, action: "baseline", state: "finished", ...why }),
    );
    await write(context, rows);
    return { ...report(state, names), head: names.at(-1) ?? null };
  });
}

async function requireUnchanged({ session }: Context, { what, sql, rows }: Evidence): Promise<void> {
  if (isDeepStrictEqual(await session.rows(sql), rows)) return;
  throw new MigrationError("LOCK_HELD", `${what} has changed since it was read; nothing was recorded`, {
    hint: "Something else migrates this database: wait until that has ended, then run this again.",
  });
}

function namesOf(known: readonly string[], { to, names = [] }: BaselineExtent): readonly string[] {
  if (to === undefined) return known.filter((name) => names.includes(name));
  const end = known.indexOf(to);
  if (end >= 0) return known.slice(0, end + 1);
  throw new MigrationError("USAGE", `there is no migration named "${to}" to be at`);
}

/** Resolves a partial migration: continues after its last finished statement, or records how it ended. */
export async function resolve(
  context: Context,
  name: string,
  outcome: Outcome,
  note?: string,
): Promise<SettleReport> {
  const why = reason(note === undefined ? outcome : `${outcome}: ${note}`);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const partial = state.stored.partial.find((one) => one.name === name);
    if (partial === undefined) throw notPartial(name, state);
    if (outcome === "retry" && partial.direction === "down") throw retryOfDown(partial.name);
    const becomesApplied = outcome !== "reverted";
    const head = headIf(state, name, becomesApplied);
    const writer = await openHistory(context, state);
    if (outcome === "retry") {
      const row = { migration: name, action: "resolve", state: "finished", ...why } as const;
      await retry(context, state, writer, { partial, resolved: writer.record(row) });
      return { migrations: [name], head };
    }
    const appliedNow = state.stored.applied.some((one) => one.name === name);
    const entry = await resolution(context, { name, becomesApplied: becomesApplied && !appliedNow });
    const row = { ...entry, action: "resolve", state: "finished", ...why } as const;
    await write(context, [moveTo(writer, row, { from: appliedNow, to: becomesApplied })]);
    return { migrations: [name], head };
  });
}

/** The head after a migration is resolved. */
function headIf({ stored, classified }: DatabaseState, name: string, isApplied: boolean): string | null {
  const applied = new Set(stored.applied.map((one) => one.name));
  if (isApplied) applied.add(name);
  else applied.delete(name);
  return classified.findLast((one) => applied.has(one.name))?.name ?? null;
}

/** When the record agrees with the decision, only the decision is recorded. */
function moveTo(writer: HistoryWriter, row: HistoryEntry, applied: { from: boolean; to: boolean }): string {
  if (applied.from === applied.to) return writer.record(row);
  return applied.to ? writer.recordApplied(row) : writer.recordUnapplied(row);
}

async function retry(
  context: Context,
  { existing }: DatabaseState,
  writer: HistoryWriter,
  {
    partial,
    resolved,
  }: { readonly partial: DatabaseState["stored"]["partial"][number]; readonly resolved: string },
): Promise<void> {
  const { session, source, tables } = context;
  const { name, statement } = partial;
  const [planned] = await planUp(source, [name], loadOptions(context));
  const recorded = await readStoppedSql(session, tables, existing.identity, name);
  if (
    planned?.rendered.kind !== "static" ||
    planned.rendered.transactional ||
    recorded?.statements === null
  ) {
    throw new MigrationError("USAGE", `migration ${name} cannot be continued statement by statement`, {
      migration: name,
      hint: Hint.of`Finish it by hand, then resolve it as ${Hint.field("outcome", "applied")} or ${Hint.field("outcome", "reverted")}.`,
    });
  }
  requireSameBeginning({ name, done: statement, steps: planned.rendered.steps, recorded });
  const run = openRun(context, writer);
  try {
    await session.enterMigration();
    await new Attempt(run, planned).outsideTransaction(planned.rendered, {
      statement,
      records: [resolved],
    });
  } catch (error) {
    await run.transactions.rollback();
    if (!(error instanceof MigrationError)) throw error;
    const inDoubt = run.transactions.commitOutcomeUnknown.size > 0 ? { inDoubt: [name] } : {};
    throw error.with({ migration: name, applied: [], remaining: [name], ...inDoubt });
  }
}

async function resolution(
  context: Context,
  { name, becomesApplied }: { name: string; becomesApplied: boolean },
): Promise<DescribedFile> {
  const hasFile = context.source.entries.some((entry) => entry.name === name);
  const [described] =
    becomesApplied && hasFile ? await recordFiles(context.source, [name], loadOptions(context)) : [];
  return described ?? { migration: name };
}

export function write({ session }: Context, statements: readonly string[]): Promise<void> {
  return session.run(["BEGIN READ WRITE", ...ENGINE_SCOPE, ...statements, "COMMIT"].join("; "));
}

export function reason(note: string | undefined): Partial<HistoryEntry> {
  if (note === undefined) return {};
  requireStorable("the note", note);
  return { note };
}

export function report(state: DatabaseState, migrations: readonly string[]): SettleReport {
  return { migrations, head: headOf(state) };
}

function notChanged(name: string, { classified }: DatabaseState): MigrationError {
  const state = classified.find((one) => one.name === name)?.state;
  const what = state === undefined ? "is not known" : `is ${state}, not changed`;
  return new MigrationError("USAGE", `migration ${name} ${what}: there is nothing to repair`);
}

function notPartial(name: string, { stored }: DatabaseState): MigrationError {
  const names = stored.partial.map((one) => one.name);
  const hint = names.length === 0 ? "No migration is partial." : `Partial: ${names.join(", ")}.`;
  return new MigrationError("USAGE", `migration ${name} did not stop part-way: there is nothing to resolve`, {
    hint,
  });
}

function alreadyManaged(count: number): MigrationError {
  return new MigrationError(
    "USAGE",
    `migrations are applied to this database already (${count}): it needs no baseline`,
  );
}

function retryOfDown(name: string): MigrationError {
  return new MigrationError("USAGE", `undoing ${name} stopped part-way, which cannot be continued`, {
    migration: name,
    hint: Hint.of`Finish it by hand, then resolve it as ${Hint.field("outcome", "reverted")}; or put back what is gone, then as ${Hint.field("outcome", "applied")}.`,
  });
}

/** A partial migration and its file as it is now. */
export interface Stopped {
  readonly name: string;
  /** Number of statements that finished. */
  readonly done: number;
  readonly steps: readonly string[];
  readonly recorded: StoppedSql | undefined;
}

/**
 * Finished statements are skipped by their number, so they must still be the first ones of the file.
 * @throws MigrationError `CHANGED` when they are not
 */
export function requireSameBeginning({ name, done, steps, recorded }: Stopped): void {
  if (recorded?.digestVersion === DIGEST_VERSION && recorded.sqlDigest === sqlDigest(steps)) return;
  const before = recorded?.statements?.slice(0, done);
  const after = statementsOf(steps.map(maskSecrets)).slice(0, done);
  if (before !== undefined && before.length === done && digest(before) === digest(after)) return;
  const which = done === 1 ? "the statement that has" : `the ${done} statements that have`;
  throw new MigrationError("CHANGED", `${which} run of ${name} are no longer the first of its file`, {
    migration: name,
    changes: [{ migration: name, before: before ?? null, after }],
    hint: Hint.of`Put them back as they were: what comes after them may change. Or undo by hand what they did, then ${Hint.command("resolve", { migration: name, outcome: "reverted" })} and ${Hint.command("up")}.`,
  });
}

/** The number of asterisks in a mask differs between versions of this tool. */
function digest(statements: readonly string[]): string {
  return sqlDigest(statements.map((text) => text.replace(/\*{3,}/g, "***")));
}
