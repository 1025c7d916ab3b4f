import type { MigrationSource, RunReport } from "../core/index.ts";
import type { Context } from "./context.ts";
import {
  classify,
  countStates,
  type DatabaseState,
  headOf,
  knownNames,
  namesIn,
  shownNames,
} from "./database-state.ts";
import { revokeRights } from "./history/rights.ts";
import { listTables } from "./history/tables.ts";
import { compareSchemas, readSchema, type SchemaSummary } from "./schema-changes.ts";

/**
 * The report of a run that succeeded. The state after it is computed, not read: a cancel in this moment must not turn
 * a finished run into a failed one.
 */
export async function reportAfter(
  { session, source, tables, observe }: Context,
  before: DatabaseState,
  result: Pick<RunReport, "run" | "completed" | "background" | "waiting" | "warnings">,
  schema: SchemaSummary | undefined,
): Promise<RunReport> {
  const applied = new Set(before.stored.applied.map(({ name }) => name));
  const changed = new Set(before.changed.keys());
  const partial = new Set(namesIn(before.classified, "partial"));
  if (result.background !== null) partial.add(result.background.migration);
  for (const { migration, direction } of result.completed) {
    if (direction === "up") applied.add(migration);
    else applied.delete(migration);
    changed.delete(migration);
    partial.delete(migration);
  }
  const replaced = new Set(before.baselines.flatMap((one) => one.replaced));
  const stored = [...applied].map(
    (name) => before.stored.applied.find((one) => one.name === name) ?? { name, recordedAs: null },
  );
  const shown = shownNames(source, stored, before.baselines);
  const classified = classify({ entries: source.entries, applied: shown, replaced, changed, partial });
  const own = await session
    .enterEngine()
    // A migration may have granted all on all tables.
    .then(() => revokeRights(session, tables, observe))
    .then(async () => ({
      tables: await listTables(session, tables),
      changes: schema === undefined ? null : compareSchemas(schema, await readSchema(session, tables)),
    }))
    .catch(() => ({ tables: null, changes: null }));
  return {
    ...result,
    head: classified.findLast(({ name }) => applied.has(name))?.name ?? null,
    pending: namesIn(classified, "pending"),
    counts: countStates(classified),
    ...own,
  };
}

const NOTHING_DONE = { run: null, completed: [], tables: null, changes: null, background: null } as const;

/** The report of a run that found nothing to do. */
export function noOpReport(
  state: DatabaseState,
  { waiting, warnings }: Pick<RunReport, "waiting" | "warnings">,
): RunReport {
  const { classified } = state;
  const pending = namesIn(classified, "pending");
  return {
    ...NOTHING_DONE,
    head: headOf(state),
    pending,
    waiting,
    counts: countStates(classified),
    warnings,
  };
}

/** The report of a run that found the database up to date, and read no more of it. */
export function upToDateReport(source: MigrationSource): RunReport {
  const names = knownNames(source);
  const counts = countStates(names.map((name) => ({ name, state: "applied" })));
  return { ...NOTHING_DONE, head: names.at(-1) ?? null, pending: [], waiting: [], counts, warnings: [] };
}
