import { given, Hint, MigrationError, requireStorable, type SettleReport } from "../core/index.ts";
import { DIGEST_VERSION, maskSecrets, sqlDigest } from "../sql/index.ts";
import { type Context, loadOptions } from "./context.ts";
import { type DatabaseState, headOf, knownNames, namesIn, readState } from "./database-state.ts";
import { readDownSql, readUpSql } from "./history/recorded-sql.ts";
import type { HistoryEntry } from "./history/write.ts";
import { type DescribedFile, openHistory, recordFiles } from "./history-entries.ts";
import { withMigrationLock } from "./lock.ts";
import { inEngineTransaction } from "./transactions.ts";

/**
 * Accepts changed files and renamed files: their present SQL and names count as what was applied.
 * @param names only these; none means all
 */
export async function repair(
  context: Context,
  names: readonly string[],
  note?: string,
): Promise<SettleReport> {
  requireStorable("the note", note);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    const before = new Map([...state.renamed].map(([old, now]) => [now, old]));
    const changed = [...namesIn(state.classified, "changed"), ...before.keys()];
    const unchanged = names.find((name) => !changed.includes(name));
    if (unchanged !== undefined) throw notChanged(unchanged, state);
    const accepted = names.length > 0 ? names : changed;
    if (accepted.length === 0) return { migrations: [], head: headOf(state) };
    const writer = await openHistory(context, state);
    const entries = await recordFiles(context.source, accepted, loadOptions(context));
    const stored = await readStoredSql(context, state, [...state.renamed.keys()]);
    const rows = entries.flatMap((entry) => {
      const row = { ...entry, action: "repair", state: "finished" } as const;
      const old = before.get(entry.migration);
      if (old === undefined) {
        const repaired = { ...row, ...builtSql(state, entry), ...repairNote(state, entry.migration, note) };
        return [writer.recordAbout(repaired)];
      }
      const renamed = { ...row, ...stored(old), ...repairNote(state, old, note ?? `renamed from ${old}`) };
      return [writer.renameApplied(old, entry.migration), writer.recordAbout(renamed)];
    });
    await context.session.run(inEngineTransaction(...rows));
    return { migrations: accepted, head: headOf(state) };
  });
}

/** The note of a repair. A baseline whose SQL did not run keeps the note that says so. */
function repairNote(
  { stored: { applied } }: DatabaseState,
  name: string,
  note: string | undefined,
): Partial<HistoryEntry> {
  const recordedAs = applied.find((one) => one.name === name)?.recordedAs?.split("; ")[0];
  const notes = [recordedAs, note].filter((one) => one !== undefined);
  return notes.length === 0 ? {} : { note: notes.join("; ") };
}

/** The recorded SQL of renamed migrations, which holds for their new names. */
async function readStoredSql(
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

/**
 * Records that the file of an applied migration has another name now. Runs no SQL of it. Where the file was edited too, it
 * counts as changed afterwards.
 * @throws MigrationError `USAGE` unless the old name is applied and has no file, and the new one has a file and is not applied
 */
export async function rename(
  context: Context,
  before: string,
  now: string,
  note?: string,
): Promise<SettleReport> {
  requireStorable("the note", note);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    requireRenamed(context, state, before, now);
    const stored = await readStoredSql(context, state, [before]);
    const sourceDigest = state.stored.applied.find(({ name }) => name === before)?.sourceDigest;
    const writer = await openHistory(context, state);
    const row = {
      ...stored(before),
      ...(sourceDigest == null ? {} : { sourceDigest }),
      migration: now,
      action: "repair",
      state: "finished",
      ...repairNote(state, before, note ?? `renamed from ${before}`),
    } as const;
    await context.session.run(
      inEngineTransaction(writer.renameApplied(before, now), writer.recordAbout(row)),
    );
    return { migrations: [now], head: headOf(state) };
  });
}

function requireRenamed({ source }: Context, { stored }: DatabaseState, before: string, now: string): void {
  const isApplied = (name: string) => stored.applied.some((one) => one.name === name);
  const files = knownNames(source);
  if (!isApplied(before)) throw refusal(`migration ${before} is not applied`);
  if (files.includes(before)) throw refusal(`the file of ${before} is still there`);
  if (!files.includes(now)) throw refusal(`there is no file for ${now}`);
  if (isApplied(now)) throw refusal(`migration ${now} is applied already`);
}

function refusal(why: string): MigrationError {
  return new MigrationError("USAGE", `${why}: nothing was renamed`, {
    hint: Hint.of`Rename the file first, then give the name that it had and the one that it has, both without extension. ${Hint.command("status")} shows the names.`,
  });
}

function notChanged(name: string, { classified }: DatabaseState): MigrationError {
  const state = classified.find((one) => one.name === name)?.state;
  const what = state === undefined ? "is not known" : `is ${state}, not changed`;
  return new MigrationError("USAGE", `migration ${name} ${what}: there is nothing to repair`);
}
