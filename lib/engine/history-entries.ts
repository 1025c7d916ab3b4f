import { randomUUID } from "node:crypto";
import { setImmediate as afterSending } from "node:timers/promises";
import { given, MigrationError, type MigrationSource } from "../core/index.ts";
import { asOwnSql } from "../postgres/index.ts";
import { DIGEST_VERSION, isEmptySql, maskSecrets, sqlDigest } from "../sql/index.ts";
import { type Context, loadOptions } from "./context.ts";
import type { DatabaseState } from "./database-state.ts";
import { revokeRights } from "./history/rights.ts";
import { ensureTables, upgradeHistory } from "./history/tables.ts";
import { type HistoryEntry, HistoryWriter } from "./history/write.ts";
import { type LoadOptions, type MigrationCode, PlainSql, readActions, runContained } from "./load.ts";
import type { PlannedMigration } from "./plan.ts";
import { renderDown, renderUp } from "./render.ts";

/** What the history keeps of a migration: digests, the SQL that was sent, and the SQL to undo it. */
export type DescribedFile = Pick<HistoryEntry, "migration"> &
  Pick<Partial<HistoryEntry>, "digestVersion" | "sourceDigest" | "sqlDigest" | "upSql" | "downSql" | "note">;

/**
 * Describes one migration that is being applied. Without steps, because they depend on the database, it has no SQL
 * digest and is never reported as changed.
 */
export async function describeFile(
  code: MigrationCode,
  steps: readonly string[] | undefined,
  sourceDigest: string | undefined,
): Promise<DescribedFile> {
  const down = await renderDown(code);
  return {
    migration: code.name,
    digestVersion: DIGEST_VERSION,
    ...given({ sourceDigest }),
    ...(steps === undefined ? {} : { sqlDigest: sqlDigest(steps), upSql: steps.map(maskSecrets) }),
    ...("sql" in down ? { downSql: down.sql } : noDown(code, down.missing)),
  };
}

/** The migration is applied although its undo SQL cannot be recorded: `down` can use its file. */
function noDown({ name, warn }: MigrationCode, reason: string | undefined): { note?: string } {
  if (reason === undefined) return {};
  warn(`the SQL to undo ${name} cannot be recorded, so that down will need its file: ${reason}`);
  return { note: `without the SQL to undo it: ${reason}` };
}

/**
 * Describes the files of migrations that already count as applied. Runs none of their code, because calling `down` only
 * to record it can have effects. SQL files are read; a module is described by its text alone (no SQL digest, no digest
 * version). A file that cannot be read is left out.
 */
export async function recordFiles(
  source: MigrationSource,
  names: readonly string[],
  options: Pick<LoadOptions, "decamelize" | "warn">,
): Promise<DescribedFile[]> {
  const digests = await digestEach(source, names, options.warn);
  const described: DescribedFile[] = [];
  for (const [name, sourceDigest] of digests) {
    const sql = isSqlFile(source, name) ? await describeSqlFile(source, name, options) : undefined;
    described.push({ migration: name, ...sql, sourceDigest });
  }
  return described;
}

async function digestEach(
  source: MigrationSource,
  names: readonly string[],
  warn: LoadOptions["warn"],
): Promise<Map<string, string>> {
  const all = await source.digests(names).catch(() => undefined);
  const digests = new Map(all);
  if (all !== undefined) return digests;
  for (const name of names) {
    try {
      for (const [one, digest] of await source.digests([name])) digests.set(one, digest);
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code !== "MIGRATION") throw error;
      warn(`changes to ${name} cannot be noticed: ${error.message}`);
    }
  }
  return digests;
}

function isSqlFile({ entries }: MigrationSource, name: string): boolean {
  return entries.some((entry) => entry.name === name && /\.sql$/i.test(entry.fileName));
}

/** Undefined for a file that is no valid migration any more: its text is recorded, and it does not have to run. */
async function describeSqlFile(
  source: MigrationSource,
  name: string,
  options: Pick<LoadOptions, "decamelize" | "warn">,
): Promise<DescribedFile | undefined> {
  try {
    const loaded = (await source.load([name], runContained)).get(name);
    if (loaded === undefined || loaded.kind === "module") return undefined;
    const actions = readActions(name, loaded);
    if (!(actions.up instanceof PlainSql)) return undefined;
    const code: MigrationCode = { name, actions, shorthands: {}, ...options };
    return await describeFile(code, await renderUp(code), undefined);
  } catch (error) {
    if (error instanceof MigrationError && error.code === "MIGRATION") return undefined;
    throw error;
  }
}

/** Describes the migrations of a run, each while the server works on the one before it. */
export class HistoryEntries {
  readonly #ahead = new Map<PlannedMigration, Promise<DescribedFile>>();
  #last: Promise<unknown> = Promise.resolve();

  of(planned: PlannedMigration): Promise<DescribedFile> {
    return this.#ahead.get(planned) ?? describe(planned);
  }

  /** Call while the migration before it runs. One by one, because code of migrations is called. */
  prepare(planned: PlannedMigration | undefined): void {
    if (planned?.direction !== "up" || this.#ahead.has(planned)) return;
    const file = Promise.all([afterSending(), this.#last]).then(() => describe(planned));
    // `of` reports the error; after a failure of the migration before it, `of` is not called.
    this.#last = file.catch(() => {});
    this.#ahead.set(planned, file);
  }
}

async function describe({ name, code, rendered, sourceDigest }: PlannedMigration): Promise<DescribedFile> {
  const steps = rendered.kind === "static" ? rendered.steps : undefined;
  const described = await describeFile(code, steps, sourceDigest);
  const { downSql } = described;
  if (rendered.kind === "static" && rendered.backfill !== undefined) return described;
  if (downSql !== undefined && isEmptySql(downSql) && !isEmptySql(steps ?? ["SELECT 1"]))
    code.warn(
      `the down of ${name} is empty: it would leave all that up does, and forget that it was applied`,
    );
  return described;
}

/**
 * Prepares the history for the rows of a new run: makes its tables where they are missing, and records the applied
 * migrations that are to be taken over.
 */
export async function openHistory(
  context: Context,
  { existing, stored }: DatabaseState,
  takenOver: readonly string[] = [],
): Promise<HistoryWriter> {
  const { session, tables, provenance, observe } = context;
  const writer = new HistoryWriter(tables, provenance, randomUUID(), stored.newestRunOn);
  const rows = await takeOver(context, takenOver, writer);
  return asOwnSql("the tables of the engine cannot be made", async () => {
    if (existing.applied || existing.history) await revokeRights(session, tables, observe);
    await upgradeHistory(session, tables, existing, observe);
    return writer.on(await ensureTables(session, tables, existing, rows));
  });
}

/** Whether a run has to record applied migrations, or to make the history for them, even when none is pending. */
export function needsTakeOver(context: Context, state: DatabaseState): boolean {
  const isFirstContact = !state.existing.history && state.stored.applied.length > 0;
  return isFirstContact || unrecorded(context, state).length > 0;
}

/** Applied migrations that have a file and no history, because plain node-pg-migrate applied them. */
export function unrecorded({ source }: Context, { stored }: DatabaseState): string[] {
  const present = new Set(source.entries.map(({ name }) => name));
  return stored.applied.flatMap((m) => (m.sourceDigest === null && present.has(m.name) ? [m.name] : []));
}

/** Rows that record the present files as what was applied, so that later changes are noticed. Runs no migration. */
async function takeOver(
  context: Context,
  names: readonly string[],
  writer: HistoryWriter,
): Promise<string[]> {
  const files = await recordFiles(context.source, names, loadOptions(context));
  const note = "taken over from node-pg-migrate";
  return files.map((file) => writer.recordAbout({ note, ...file, action: "baseline", state: "finished" }));
}
