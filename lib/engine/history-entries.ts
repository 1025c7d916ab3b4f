import { setImmediate as afterSending } from "node:timers/promises";
import { MigrationError, type MigrationSource } from "../core/index.ts";
import { DIGEST_VERSION, isEmptySql, maskSecrets, sqlDigest } from "../sql/index.ts";
import type { HistoryEntry } from "./history/write.ts";
import type { MigrationCode } from "./load.ts";
import { type LoadOptions, PlainSql, readActions, runContained } from "./load.ts";
import type { PlannedMigration } from "./plan.ts";
import { renderDown, renderUp } from "./render.ts";

/** What the history keeps of a file: digests, what it sent, and the SQL to undo. */
export type DescribedFile = Pick<HistoryEntry, "migration"> &
  Pick<Partial<HistoryEntry>, "digestVersion" | "sourceDigest" | "sqlDigest" | "upSql" | "downSql" | "note">;

/**
 * Describes one migration that is being applied. Without steps (they depend on the database) it has no SQL digest: it
 * can never be called changed.
 */
export async function describeFile(
  context: MigrationCode,
  steps: readonly string[] | undefined,
  sourceDigest: string | undefined,
): Promise<DescribedFile> {
  const down = await renderDown(context);
  return {
    migration: context.name,
    digestVersion: DIGEST_VERSION,
    ...(sourceDigest === undefined ? {} : { sourceDigest }),
    ...(steps === undefined ? {} : { sqlDigest: sqlDigest(steps), upSql: steps.map(maskSecrets) }),
    ...("sql" in down ? { downSql: down.sql } : noDown(context, down.missing)),
  };
}

/** The migration is applied all the same: undoing it is for later, and for its file. */
function noDown({ name, warn }: MigrationCode, reason: string | undefined): { note?: string } {
  if (reason === undefined) return {};
  warn(`the SQL to undo ${name} cannot be recorded, so that down will need its file: ${reason}`);
  return { note: `without the SQL to undo it: ${reason}` };
}

/**
 * Describes the files of migrations that are applied already, or count as applied, without running any of their code:
 * to call `down` for the record may do for real what it does, where it has a connection of its own. SQL files are
 * read; of a module only the text is known (no SQL digest, no digest version). A file that cannot be read is left out.
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

/** Undefined for one that is no migration any more: its text is on record, and nothing has to run. */
async function describeSqlFile(
  source: MigrationSource,
  name: string,
  options: Pick<LoadOptions, "decamelize" | "warn">,
): Promise<DescribedFile | undefined> {
  try {
    const loaded = (await source.load([name], runContained)).get(name);
    if (loaded === undefined || loaded.kind === "module") return undefined;
    const actions = readActions(loaded);
    if (!(actions.up instanceof PlainSql)) return undefined;
    const context: MigrationCode = { name, actions, shorthands: {}, ...options };
    return await describeFile(context, await renderUp(context), undefined);
  } catch (error) {
    if (error instanceof MigrationError && error.code === "MIGRATION") return undefined;
    throw error;
  }
}

/** What the history keeps of each migration's file. That of the next is made while the server has the one before. */
export class HistoryEntries {
  readonly #ahead = new Map<PlannedMigration, Promise<DescribedFile>>();
  #last: Promise<unknown> = Promise.resolve();

  of(planned: PlannedMigration): Promise<DescribedFile> {
    return this.#ahead.get(planned) ?? describe(planned);
  }

  /** Call when the migration before it is under way. One after the other: the code of migrations runs for it. */
  prepare(planned: PlannedMigration | undefined): void {
    if (planned?.direction !== "up" || this.#ahead.has(planned)) return;
    const file = Promise.all([afterSending(), this.#last]).then(() => describe(planned));
    // Who asks for it is told; nobody does when the one before fails.
    this.#last = file.catch(() => {});
    this.#ahead.set(planned, file);
  }
}

async function describe({ name, context, built, sourceDigest }: PlannedMigration): Promise<DescribedFile> {
  const steps = built.kind === "static" ? built.steps : undefined;
  const described = await describeFile(context, steps, sourceDigest);
  const { downSql } = described;
  if (downSql !== undefined && isEmptySql(downSql) && !isEmptySql(steps ?? ["SELECT 1"]))
    context.warn(
      `the down of ${name} is empty: it would leave all that up does, and forget that it was applied`,
    );
  return described;
}
