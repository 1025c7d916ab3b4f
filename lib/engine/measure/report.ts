import type { MeasuredMigration } from "../../core/index.ts";
import type { Context } from "../context.ts";
import type { Observation } from "./observation.ts";
import {
  describeLocks,
  type KnownRelation,
  readKnownRelations,
  readNamesAround,
  type TakenLock,
} from "./relations.ts";
import { takenAgain } from "./taken-again.ts";

/** What is there without the migrations. */
interface Before {
  readonly known: ReadonlyMap<number, KnownRelation>;
  readonly names: ReadonlyMap<number, readonly string[]>;
}

/** Compares what was seen with the database, once everything is rolled back: what is not there now was made on the way. */
export async function describeObservations(
  { session, options }: Pick<Context, "session" | "options">,
  observed: readonly Observation[],
): Promise<MeasuredMigration[]> {
  await session.enterEngine();
  const oids = [
    ...new Set(observed.flatMap(({ taken, rows }) => [...taken.map(({ oid }) => oid), ...rows.keys()])),
  ];
  const relations = await readKnownRelations(session, oids, options.schema[0]);
  const before: Before = {
    known: new Map(relations.map((one) => [one.oid, one])),
    names: await readNamesAround(session, oids),
  };
  return observed.map((one, index) => {
    const earlier = observed.slice(0, index);
    return options.transaction === "all"
      ? describe(one, earlier, before, { taken: one.taken, endMs: workOf(observed.slice(index)) })
      : describe(one, earlier, before, {
          taken: [...one.taken, ...takenAgain(one, earlier, before.names)],
          endMs: one.durationMs,
        });
  });
}

/** In one transaction for all, locks are held until the last migration has run. */
function workOf(observed: readonly Observation[]): number {
  return observed.reduce((sum, { durationMs }) => sum + durationMs, 0);
}

function describe(
  one: Observation,
  earlier: readonly Observation[],
  { known }: Before,
  { taken, endMs }: { readonly taken: readonly TakenLock[]; readonly endMs: number },
): MeasuredMigration {
  const { migration, outcome, reason, blocksNobody, durationMs, walBytes } = one;
  const filesBefore = filesAt(earlier.at(-1), known);
  const rewritten = new Set(
    one.after
      .filter(
        ({ kind, oid, file }) =>
          /^[rm]$/.test(kind) && known.has(oid) && !filesBefore.has(file) && file !== 0,
      )
      .map(({ oid }) => oid),
  );
  const locks = describeLocks(taken, known, { endMs, rewritten });
  const isLockedAt = (statement: number) =>
    one.taken.some((lock) => {
      const [described] = describeLocks([lock], known, { endMs, rewritten });
      return lock.statement < statement && described !== undefined && described.blocks !== "schema changes";
    });
  return {
    ...{ migration, outcome, reason, blocksNobody, durationMs: Math.round(durationMs * 10) / 10, locks },
    indexes: builtIndexes(one, filesBefore, known),
    rows: changedRows(one, earlier.at(-1), known),
    walBytes,
    omitted: one.omitted.map((omitted) => ({ ...omitted, whileLocked: isLockedAt(omitted.statement) })),
    sequences: one.taken.flatMap(({ oid, mode }) => {
      const sequence = known.get(oid);
      return sequence?.kind === "S" && mode === "ROW EXCLUSIVE" ? [sequence.shown] : [];
    }),
  };
}

/** The files of relations before a migration. Those that no earlier one has touched are those of now. */
function filesAt(
  last: Observation | undefined,
  known: ReadonlyMap<number, KnownRelation>,
): ReadonlySet<number> {
  const touched = last?.after ?? [];
  const isTouched = new Set(touched.flatMap(({ oid, table }) => [oid, ...(table === null ? [] : [table])]));
  const untouched = [...known.values()].filter(
    ({ oid, table }) => !isTouched.has(oid) && !(table !== null && isTouched.has(table)),
  );
  return new Set([...touched, ...untouched].map(({ file }) => file));
}

function builtIndexes(
  { after }: Observation,
  filesBefore: ReadonlySet<number>,
  known: ReadonlyMap<number, KnownRelation>,
): MeasuredMigration["indexes"] {
  return after.flatMap(({ kind, file, table, name }) => {
    const on = table === null ? undefined : known.get(table);
    return kind === "i" && on !== undefined && !filesBefore.has(file)
      ? [{ index: name, table: on.shown }]
      : [];
  });
}

function changedRows(
  { rows }: Observation,
  last: Observation | undefined,
  known: ReadonlyMap<number, KnownRelation>,
): MeasuredMigration["rows"] {
  return [...rows].flatMap(([oid, now]) => {
    const before = last?.rows.get(oid);
    const inserted = now.inserted - (before?.inserted ?? 0);
    const updated = now.updated - (before?.updated ?? 0);
    const deleted = now.deleted - (before?.deleted ?? 0);
    const table = known.get(oid)?.shown;
    return table !== undefined && inserted + updated + deleted > 0
      ? [{ table, inserted, updated, deleted }]
      : [];
  });
}
