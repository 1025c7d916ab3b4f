import { isDeepStrictEqual } from "node:util";
import { given, Hint, MigrationError, requireStorable, type SettleReport } from "../core/index.ts";
import { Attempt } from "./apply.ts";
import { type Context, loadOptions } from "./context.ts";
import { type DatabaseState, knownNames, readState } from "./database-state.ts";
import type { HistoryEntry, HistoryWriter } from "./history/write.ts";
import { type DescribedFile, openHistory, recordFiles } from "./history-entries.ts";
import { withMigrationLock } from "./lock.ts";
import { planUp } from "./plan.ts";
import { planResumed } from "./resume.ts";
import { openRun } from "./run.ts";
import { inEngineTransaction } from "./transactions.ts";

/** How a partial migration is resolved. */
export type Outcome = "retry" | "applied" | "reverted";

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
  requireStorable("the note", note);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const { applied } = state.stored;
    if (applied.length > 0) throw alreadyManaged(applied.length);
    if (extent.evidence !== undefined) await requireUnchanged(context, extent.evidence);
    const names = namesOf(knownNames(context.source), extent);
    const writer = await openHistory(context, state);
    const entries = await recordFiles(context.source, names, loadOptions(context));
    const rows = entries.map((entry) =>
      writer.recordApplied({ ...entry, action: "baseline", state: "finished", ...given({ note }) }),
    );
    await context.session.run(inEngineTransaction(...rows));
    return { migrations: names, head: names.at(-1) ?? null };
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
  requireStorable("the note", note);
  const why = note === undefined ? outcome : `${outcome}: ${note}`;
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const partial = state.stored.partial.find((one) => one.name === name);
    if (partial === undefined) throw notPartial(name, state);
    if (outcome === "retry" && partial.direction === "down") throw retryOfDown(partial.name);
    const becomesApplied = outcome !== "reverted";
    const head = headIf(state, name, becomesApplied);
    const writer = await openHistory(context, state);
    if (outcome === "retry") {
      const row = { migration: name, action: "resolve", state: "finished", note: why } as const;
      await retry(context, state, writer, { partial, resolved: writer.record(row) });
      return { migrations: [name], head };
    }
    const appliedNow = state.stored.applied.some((one) => one.name === name);
    const entry = await resolution(context, { name, becomesApplied: becomesApplied && !appliedNow });
    const row = { ...entry, action: "resolve", state: "finished", note: why } as const;
    await context.session.run(
      inEngineTransaction(moveTo(writer, row, { from: appliedNow, to: becomesApplied })),
    );
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
  const { session, source } = context;
  const { name } = partial;
  const [found] = await planUp(source, [name], loadOptions(context));
  if (found === undefined) return;
  const planned = await planResumed(context, existing, found, partial, "person");
  if (planned.rendered.kind !== "static") return;
  const run = openRun(context, writer);
  try {
    await session.enterMigration();
    await new Attempt(run, planned).outsideTransaction(planned.rendered, [resolved]);
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
    hint: Hint.of`Finish it by hand, then resolve it as ${Hint.field("outcome", "reverted")}; or restore what it removed, then as ${Hint.field("outcome", "applied")}.`,
  });
}
