import type { MeasuredLock, MeasuredMigration, MeasuredRows, OmittedStatement } from "./measurement.ts";
import { shortBytes, shortCount } from "./table-size.ts";

/** What a migration did when it was measured, one fact each, the gravest first. */
export function measuredFacts(measured: MeasuredMigration): string[] {
  const { outcome, reason, blocksNobody, locks, indexes, rows, omitted, sequences } = measured;
  const isSeen = outcome === "measured" || outcome === "stopped";
  const shown = locks.filter(({ mode }) => mode !== "ROW EXCLUSIVE");
  const isFree = isSeen && shown.every(({ blocks }) => blocks === "schema changes");
  return [
    ...(reason === null ? [] : [`${OUTCOMES[outcome]}: ${reason}${blocksNobody ? NOBODY : ""}`]),
    ...(isFree ? ["blocks neither reads nor writes of what is there"] : []),
    ...shown.map((lock) => lockFact(lock, outcome)),
    ...some(indexes.map(({ index, table }) => `index ${index} on ${table}`)).map(
      (names) => `builds ${names}`,
    ),
    ...rows.map(rowsFact),
    ...omitted.map(omittedFact),
    ...some(sequences).map((names) => `took numbers of ${names}, which leaves a gap`),
    ...(isSeen ? [workFact(measured)] : []),
  ];
}

const OUTCOMES: Readonly<Record<MeasuredMigration["outcome"], string>> = {
  measured: "measured",
  stopped: "not measured to its end",
  failed: "`up` would fail",
  "left out": "not measured",
};

const NOBODY = "; it blocks neither reads nor writes";

/** ACCESS EXCLUSIVE on orders (41 M rows, 18 GB) for 312 ms: blocks reads and writes; no rewrite */
function lockFact(lock: MeasuredLock, outcome: MeasuredMigration["outcome"]): string {
  const { mode, table, kind, rows, bytes, heldMs, blocks, rewritten } = lock;
  const what = kind === "table" ? table : `${kind} ${table}`;
  const large = [...(rows === null ? [] : [`${shortCount(rows)} rows`]), shortBytes(bytes)].join(", ");
  const held = `${outcome === "measured" ? "" : "at least "}${timeOf(heldMs)}`;
  const isStored = kind === "table" || kind === "materialized view";
  const end = !isStored ? "" : rewritten ? "; rewrites it" : "; no rewrite";
  return `${mode} on ${what} (${large}) for ${held}: blocks ${blocks}${end}`;
}

function rowsFact({ table, inserted, updated, deleted }: MeasuredRows): string {
  const parts = [
    [inserted, "inserted"],
    [updated, "updated"],
    [deleted, "deleted"],
  ] as const;
  const changed = parts.flatMap(([number, what]) =>
    number === 0 ? [] : [`${shortCount(number)} rows ${what}`],
  );
  return `${table}: ${changed.join(", ")}`;
}

function omittedFact({ statement, effect, whileLocked }: OmittedStatement): string {
  const longer = whileLocked ? "; its time under the locks above is missing" : "";
  return `statement ${statement} was left out: a rollback does not undo ${effect}${longer}`;
}

function workFact({ durationMs, walBytes }: MeasuredMigration): string {
  return `took ${timeOf(durationMs)}${walBytes === null ? "" : `, at most ${shortBytes(walBytes)} of WAL`}`;
}

const SHOWN = 5;

/** The first names as one text; nothing for no names. */
function some(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return [names.slice(0, SHOWN).join(", ") + more];
}

/** `312 ms`, `2.1 s`. */
export function timeOf(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}
