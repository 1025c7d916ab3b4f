import { type MeasuredLock, type MeasuredMigration, shortBytes, shortCount } from "../../core/index.ts";
import { amount, duration, listNames, wrap } from "./printer.ts";

/** Columns of a terminal, without what begins a line. The output is a file of SQL, whose comments are kept short. */
const COLUMNS = 74;

/** What a migration did when it was measured, as comments of SQL. */
export function measuredLines(measured: MeasuredMigration): string[] {
  const { outcome, reason, blocksNobody, locks, indexes, rows, omitted, sequences } = measured;
  const { durationMs, walBytes } = measured;
  const isSeen = outcome === "measured" || outcome === "stopped";
  const facts = [
    ...(reason === null
      ? []
      : [`${OUTCOMES[outcome]}: ${reason}${blocksNobody ? "; it blocks neither reads nor writes" : ""}`]),
    ...locks.filter(({ mode }) => mode !== "ROW EXCLUSIVE").map((lock) => lockLine(lock, outcome)),
    ...(indexes.length === 0
      ? []
      : [
          `builds ${listNames(
            indexes.map(({ index, table }) => `index ${index} on ${table}`),
            SHOWN,
          )}`,
        ]),
    ...rows.map(({ table, ...changed }) => `${table}: ${changesOf(changed)}`),
    ...omitted.map(omittedLine),
    ...(sequences.length === 0 ? [] : [`took numbers of ${listNames(sequences, SHOWN)}, which leaves a gap`]),
  ];
  const isFree = isSeen && locks.every(({ blocks }) => blocks === "schema changes");
  if (isFree) facts.unshift("blocks neither reads nor writes of what is there");
  if (isSeen)
    facts.push(
      `took ${duration(durationMs)}${walBytes === null ? "" : `, at most ${shortBytes(walBytes)} of WAL`}`,
    );
  return facts.flatMap((fact) =>
    wrap(fact, COLUMNS).map((line, index) => `--   ${index === 0 ? "" : "  "}${line}`),
  );
}

const OUTCOMES: Readonly<Record<MeasuredMigration["outcome"], string>> = {
  measured: "measured",
  stopped: "not measured to its end",
  failed: "`up` would fail",
  "left out": "not measured",
};

const SHOWN = 5;

/** ACCESS EXCLUSIVE on orders (41 M rows, 18 GB) for 312 ms: blocks reads and writes; no rewrite */
function lockLine(lock: MeasuredLock, outcome: MeasuredMigration["outcome"]): string {
  const { mode, table, kind, rows, bytes, heldMs, blocks, rewritten } = lock;
  const what = kind === "table" ? table : `${kind} ${table}`;
  const large = [...(rows === null ? [] : [`${shortCount(rows)} rows`]), shortBytes(bytes)].join(", ");
  const held = `${outcome === "measured" ? "" : "at least "}${duration(heldMs)}`;
  const end =
    kind !== "table" && kind !== "materialized view" ? "" : rewritten ? "; rewrites it" : "; no rewrite";
  return `${mode} on ${what} (${large}) for ${held}: blocks ${blocks}${end}`;
}

function changesOf({
  inserted,
  updated,
  deleted,
}: {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}): string {
  const parts = [
    [inserted, "inserted"],
    [updated, "updated"],
    [deleted, "deleted"],
  ] as const;
  return parts
    .flatMap(([number, what]) => (number === 0 ? [] : [`${shortCount(number)} rows ${what}`]))
    .join(", ");
}

function omittedLine({ statement, effect, whileLocked }: MeasuredMigration["omitted"][number]): string {
  const longer = whileLocked ? "; its time under the locks above is missing" : "";
  return `statement ${statement} was left out: a rollback does not undo ${effect}${longer}`;
}

/** The last line: how much of the plan was measured. */
export function summaryOf(measured: readonly MeasuredMigration[]): string {
  const seen = measured.filter(({ outcome }) => outcome === "measured").length;
  if (measured.length === 0) return "Nothing to measure: nothing is pending.";
  const of = seen === measured.length ? amount(seen) : `${seen} of ${amount(measured.length)}`;
  return `Measured ${of}, and rolled everything back.`;
}
