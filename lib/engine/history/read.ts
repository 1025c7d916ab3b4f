import type { Session } from "../../postgres/index.ts";
import type { AppliedBy } from "../selection.ts";
import { statementsOf } from "./entries.ts";
import { lockTables, readSame, textArray } from "./guard.ts";
import type { Existing, Tables } from "./tables.ts";
import { ordinaryTables } from "./trust.ts";

/** One row of the table of applied migrations, with what history knows of it. */
export interface AppliedMigration {
  readonly name: string;
  /** When it was applied, as the table has it (UTC for rows written by this engine), ISO 8601 without a zone. */
  readonly appliedAt: string;
  /** Digests recorded when it was applied; null for migrations that plain node-pg-migrate applied. */
  readonly sourceDigest: string | null;
  readonly sqlDigest: string | null;
  readonly digestVersion: number | null;
}

/** A no-transaction migration that stopped half-way. */
export interface PartialMigration {
  readonly name: string;
  readonly direction: "up" | "down";
  /** Number of statements that finished. */
  readonly statement: number;
  /** Number of statements that it has; null where that is not on record. */
  readonly statements: number | null;
  readonly errorCode: string | null;
  readonly at: string;
}

/** What the database says, read without a lock. */
export interface Stored {
  /** In the order of application. */
  readonly applied: readonly AppliedMigration[];
  readonly partial: readonly PartialMigration[];
  /** The latest `run_on`, which need not be that of the last row; null when nothing is applied. */
  readonly newestRunOn: string | null;
}

/**
 * One value over the names of what is applied and the digests of its files; null while a migration is partial. One
 * message without any other question before it.
 * @throws MigrationError `SQL` or `UNTRUSTED_HISTORY` unless both tables exist and are ordinary
 */
export async function readFingerprint(session: Session, tables: Tables): Promise<string | null> {
  const line = `pg_catalog.concat(name, '/', "sourceDigest")`;
  const all = `pg_catalog.string_agg(${line}, E'\\n' ORDER BY name COLLATE "C")`;
  const bytes = `pg_catalog.convert_to(COALESCE(${all}, ''), 'UTF8')`;
  const query = `SELECT CASE WHEN NOT EXISTS (${selectPartial(tables)})
            THEN pg_catalog.encode(pg_catalog.sha256(${bytes}), 'hex') END AS fingerprint
     FROM (${selectApplied(tables, { history: true })}) AS found`;
  const [row] = await session.lastRows<{ fingerprint: string | null }>(
    [lockTables([tables.applied, tables.history], "read"), ordinaryTables(tables), query].join(";\n"),
  );
  return row?.fingerprint ?? null;
}

/** One row for all: the driver takes longer for a thousand rows than the server. */
export async function readStored(session: Session, tables: Tables, existing: Existing): Promise<Stored> {
  if (!existing.applied) return { applied: [], partial: [], newestRunOn: null };
  const [found] = await readSame<{ applied: AppliedMigration[]; partial: PartialRow[] }>(
    session,
    tables,
    existing.identity,
    `SELECT ${asList(selectApplied(tables, existing))} AS applied,
            ${existing.history ? asList(selectPartial(tables)) : "'[]'::pg_catalog.json"} AS partial`,
  );
  const { applied, partial } = found ?? { applied: [], partial: [] };
  const newestRunOn =
    applied
      .map((row) => row.appliedAt)
      .sort()
      .at(-1) ?? null;
  return { applied: newestOfEachName(applied), partial: partial.map(countStatements), newestRunOn };
}

type PartialRow = Omit<PartialMigration, "statements"> & { readonly steps: readonly string[] | null };

function countStatements({ steps, ...partial }: PartialRow): PartialMigration {
  return { ...partial, statements: steps === null ? null : statementsOf(steps).length };
}

/** What a query gives, in the order of its column `id`, which stays out of it. */
function asList(query: string): string {
  return `(SELECT COALESCE(pg_catalog.json_agg(pg_catalog.to_jsonb(found) - 'id' ORDER BY found.id), '[]')
           FROM (${query}) AS found)`;
}

/**
 * The table of applied migrations, each row with where its history begins. A row of the history belongs to the row of
 * applied migrations whose name and id it has: plain node-pg-migrate may have undone and applied a migration again since.
 *
 * The ids start again when the table is dropped and recreated while the history stays. So only the rows since the latest
 * one that records the migration as applied or taken over count (`since`), and none when the time of that row
 * contradicts `run_on` (`stale`). Both times are taken in one statement, with two exceptions:
 * - A migration without a transaction writes its row when it starts, and gets its `run_on` when it ends.
 * - The `run_on` of a migration that was taken over is local time, which may be ahead of UTC.
 *
 * A `run_on` that repeats the one of an earlier row is no contradiction (see `Ledger.recordApplied`), provided that the
 * history of that row is older and counts itself: node-pg-migrate writes one time for a whole transaction.
 */
function selectWithOrigin({ applied, history }: Tables): string {
  const at = "pg_catalog.timezone('UTC', at)";
  const soonest = `${at} - '1 minute'::pg_catalog.interval`;
  const end = `${at} + pg_catalog.make_interval(secs => COALESCE(duration_ms, 0) / 1000.0 + 10)`;
  return `(
    SELECT m.id, m.name, m.run_on, origin.id AS since,
           origin.contradicted AND (pg_catalog.first_value(
             CASE WHEN origin.contradicted THEN NULL ELSE COALESCE(origin.id, 0) END
           ) OVER same_time < origin.id) IS NOT TRUE AS stale
    FROM ONLY ${applied} AS m LEFT JOIN LATERAL (
      SELECT id, CASE WHEN action = 'baseline' THEN m.run_on > ${at} + '14 hours'::pg_catalog.interval
                      WHEN no_transaction THEN m.run_on NOT BETWEEN ${soonest} AND ${end}
                      ELSE m.run_on NOT BETWEEN ${soonest} AND ${at} END AS contradicted
      FROM ONLY ${history}
      WHERE migration = m.name AND applied_id = m.id AND state = 'finished' AND action <> 'repair'
      ORDER BY id DESC LIMIT 1
    ) AS origin ON true
    WINDOW same_time AS (PARTITION BY m.run_on ORDER BY m.id)
  )`;
}

/** Whether a row of the history is about `m`, a row of `selectWithOrigin`. */
const ABOUT_M =
  "migration = m.name AND applied_id = m.id AND state = 'finished' AND id >= COALESCE(m.since, 0) AND m.stale IS NOT TRUE";

/**
 * Ordered by `id`, the order of insertion. `run_on` is local time of whoever wrote it, so that a laptop and a
 * server in different zones would disagree about which migration came last.
 */
function selectApplied(tables: Tables, existing: Pick<Existing, "history">): string {
  const at = `pg_catalog.to_char(m.run_on, 'YYYY-MM-DD"T"HH24:MI:SS.US') AS "appliedAt"`;
  if (!existing.history) {
    return `SELECT m.id, m.name, ${at}, NULL AS "sourceDigest", NULL AS "sqlDigest", NULL AS "digestVersion"
            FROM ONLY ${tables.applied} AS m`;
  }
  return `SELECT m.id, m.name, ${at}, h.source_digest AS "sourceDigest", h.sql_digest AS "sqlDigest",
                 h.digest_version AS "digestVersion"
          FROM ${selectWithOrigin(tables)} AS m LEFT JOIN LATERAL (
            SELECT source_digest, sql_digest, digest_version FROM ONLY ${tables.history}
            WHERE ${ABOUT_M} ORDER BY id DESC LIMIT 1
          ) AS h ON true`;
}

/** A stop is settled by any later row of the same migration. `statement` is null when nothing was left behind. */
function selectPartial(tables: Tables): string {
  return `SELECT h.id, h.migration AS name, h.action AS direction, h.statement, h.error_code AS "errorCode",
                 CASE WHEN h.action = 'up' THEN h.up_sql END AS steps,
                 pg_catalog.to_char(h.at, 'YYYY-MM-DD"T"HH24:MI:SS.MS') AS at
          FROM ONLY ${tables.history} AS h
          WHERE h.no_transaction AND h.state <> 'finished' AND h.statement IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM ONLY ${tables.history} AS later
                            WHERE later.migration = h.migration AND later.id > h.id)`;
}

/** node-pg-migrate's table has no unique name: a name that is there twice counts where it came last. */
function newestOfEachName(applied: readonly AppliedMigration[]): AppliedMigration[] {
  const last = new Map(applied.map((row, index) => [row.name, index]));
  return applied.filter((row, index) => last.get(row.name) === index);
}

/** SQL stored for undoing one migration. */
export interface StoredDown {
  readonly steps: readonly string[];
  /** False where a `repair` has accepted another file since: it undoes what was applied, which the file need not. */
  readonly current: boolean;
}

/** SQL stored for undoing these migrations, of those that have some. */
export async function readDownSql(
  session: Session,
  tables: Tables,
  existing: Existing,
  names: readonly string[],
): Promise<ReadonlyMap<string, StoredDown>> {
  if (!existing.applied || !existing.history) return new Map();
  const rows = (columns: string, condition: string) =>
    `(SELECT ${columns} FROM ONLY ${tables.history}
      WHERE ${ABOUT_M}${condition} ORDER BY id DESC LIMIT 1)`;
  const found = await readSame<{ name: string } & StoredDown>(
    session,
    tables,
    existing.identity,
    `SELECT m.name, h.down_sql AS steps, h.id = newest.id AS current FROM ${selectWithOrigin(tables)} AS m
     CROSS JOIN LATERAL ${rows("id", "")} AS newest
     CROSS JOIN LATERAL ${rows("id, down_sql", " AND down_sql IS NOT NULL")} AS h
     WHERE m.name = ANY (${textArray(names)}) ORDER BY m.id`,
  );
  return new Map(found.map(({ name, ...stored }) => [name, stored]));
}

/** SQL that these migrations sent when they were applied, passwords masked, of those of which it is known. */
export async function readUpSql(
  session: Session,
  tables: Tables,
  existing: Existing,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (!existing.applied || !existing.history) return new Map();
  const rows = await readSame<{ name: string; steps: string[] }>(
    session,
    tables,
    existing.identity,
    `SELECT m.name, h.up_sql AS steps FROM ${selectWithOrigin(tables)} AS m
     CROSS JOIN LATERAL (
       SELECT up_sql FROM ONLY ${tables.history}
       WHERE ${ABOUT_M}
       ORDER BY id DESC LIMIT 1
     ) AS h WHERE m.name = ANY (${textArray(names)}) AND h.up_sql IS NOT NULL ORDER BY m.id`,
  );
  return new Map(rows.map(({ name, steps }) => [name, steps]));
}

/** The applied migrations, in the order of application, each with what applied it as far as is recorded. */
export function readOrigins(session: Session, tables: Tables, existing: Existing): Promise<AppliedBy[]> {
  return readSame<AppliedBy>(
    session,
    tables,
    existing.identity,
    `SELECT m.name, CASE WHEN h.run IS NOT NULL THEN pg_catalog.concat(h.run) END AS run, h.bundle FROM ${selectWithOrigin(tables)} AS m LEFT JOIN LATERAL (
       SELECT run, bundle FROM ONLY ${tables.history}
       WHERE ${ABOUT_M} AND action IN ('up', 'fake')
       ORDER BY id DESC LIMIT 1
     ) AS h ON true ORDER BY m.id`,
  );
}

/** Digests of one migration as it is now. */
export interface PresentDigests {
  readonly name: string;
  readonly sql: string | null;
  readonly source: string | null;
}

/** Those of these migrations that are now as was recorded for them as they are applied now, lately or earlier. */
export async function readAccepted(
  session: Session,
  tables: Tables,
  existing: Existing,
  present: readonly PresentDigests[],
): Promise<ReadonlySet<string>> {
  const lists = [
    present.map(({ name }) => name),
    present.map(({ sql }) => sql),
    present.map(({ source }) => source),
  ];
  const rows = await readSame<{ name: string }>(
    session,
    tables,
    existing.identity,
    `SELECT DISTINCT m.name FROM ${selectWithOrigin(tables)} AS m
     JOIN ROWS FROM (${lists.map((list) => `pg_catalog.unnest(${textArray(list)})`).join(", ")})
       AS present (name, sql, source) ON present.name = m.name
     CROSS JOIN LATERAL (SELECT sql_digest, source_digest FROM ONLY ${tables.history} WHERE ${ABOUT_M}) AS h
     WHERE h.sql_digest = present.sql OR h.source_digest = present.source`,
  );
  return new Set(rows.map(({ name }) => name));
}
