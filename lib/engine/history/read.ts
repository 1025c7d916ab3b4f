import type { Session } from "../../postgres/index.ts";
import { splitStatements } from "../../sql/index.ts";
import { lockTables, readSame, textArray } from "./guard.ts";
import { type Existing, RECORDED_NOTE, type Tables } from "./tables.ts";
import { ordinaryTables } from "./trust.ts";

/** One row of the table of applied migrations, with its digests from the history. */
export interface AppliedMigration {
  readonly name: string;
  /** When it was applied, as in the table (UTC for rows written by this engine), ISO 8601 without a zone. */
  readonly appliedAt: string;
  /** Digests recorded when it was applied; null for migrations that plain node-pg-migrate applied. */
  readonly sourceDigest: string | null;
  readonly sqlDigest: string | null;
  readonly digestVersion: number | null;
  /** The note of a baseline that was recorded because what it replaces was applied: its SQL did not run. Null for others. */
  readonly recordedAs: string | null;
}

/** A migration that has stopped outside a transaction. */
export interface PartialMigration {
  readonly name: string;
  readonly direction: "up" | "down";
  /** Number of statements that finished. */
  readonly statement: number;
  /** Number of its statements; null when it is not recorded. */
  readonly statements: number | null;
  readonly errorCode: string | null;
  /** How far a build in the background or a backfill had come. */
  readonly progress: Readonly<Record<string, unknown>> | null;
  readonly at: string;
}

/** A backfill that has begun and has not ended: one that runs, or that a run has left. */
export interface UnfinishedBackfill {
  readonly name: string;
  /** Digest of the statement that it ran. */
  readonly sqlDigest: string | null;
  /** How far it came. */
  readonly progress: Readonly<Record<string, unknown>>;
}

/** What the tables hold. */
export interface Stored {
  /** In the order of application. */
  readonly applied: readonly AppliedMigration[];
  readonly partial: readonly PartialMigration[];
  readonly backfills: readonly UnfinishedBackfill[];
  /** The latest `run_on`, which need not be in the last row; null when nothing is applied. */
  readonly newestRunOn: string | null;
}

export interface Fingerprint {
  readonly fingerprint: string | null;
  /** The replaced migrations that are applied. */
  readonly replaced: readonly string[] | null;
}

/**
 * Reads one value over the names of the applied migrations and the digests of their files; null while a migration is
 * partial. Migrations that a baseline replaces are read apart. Checks and reads the tables in one message.
 * @throws MigrationError `SQL` or `UNTRUSTED_HISTORY` unless both tables exist and are ordinary
 */
export async function readFingerprint(
  session: Session,
  tables: Tables,
  replaced: readonly string[],
): Promise<Fingerprint | undefined> {
  const line = `pg_catalog.concat(name, '/', "sourceDigest")`;
  const all = `pg_catalog.string_agg(${line}, E'\\n' ORDER BY name COLLATE "C")`;
  const bytes = `pg_catalog.convert_to(COALESCE(${all}, ''), 'UTF8')`;
  const isReplaced = `found.name = ANY (${textArray(replaced)})`;
  const [own, other] =
    replaced.length === 0
      ? ["", "NULL"]
      : [
          ` WHERE NOT ${isReplaced}`,
          `(SELECT pg_catalog.json_agg(name) FROM ONLY ${tables.applied} AS found WHERE ${isReplaced})`,
        ];
  const query = `SELECT CASE WHEN NOT EXISTS (${selectPartial(tables)})
            THEN pg_catalog.encode(pg_catalog.sha256(${bytes}), 'hex') END AS fingerprint, ${other} AS replaced
     FROM (${selectApplied(tables, { history: true })}) AS found${own}`;
  const [row] = await session.lastRows<Fingerprint>(
    [lockTables([tables.applied, tables.history], "read"), ordinaryTables(tables), query].join(";\n"),
  );
  return row;
}

/** Reads everything as one row, because the driver takes longer for a thousand rows than the server. */
export async function readStored(session: Session, tables: Tables, existing: Existing): Promise<Stored> {
  if (!existing.applied) return { applied: [], partial: [], backfills: [], newestRunOn: null };
  const [found] = await readSame<
    Pick<Stored, "applied" | "backfills"> & { readonly partial: readonly PartialRow[] }
  >(
    session,
    tables,
    existing.identity,
    `SELECT ${asList(selectApplied(tables, existing))} AS applied,
            ${existing.history ? asList(selectPartial(tables)) : EMPTY_LIST} AS partial,
            ${existing.history ? asList(selectBackfills(tables)) : EMPTY_LIST} AS backfills`,
  );
  const { applied, partial, backfills } = found ?? { applied: [], partial: [], backfills: [] };
  const newestRunOn =
    applied
      .map((row) => row.appliedAt)
      .sort()
      .at(-1) ?? null;
  return {
    applied: newestOfEachName(applied),
    partial: partial.map(countStatements),
    backfills,
    newestRunOn,
  };
}

type PartialRow = Omit<PartialMigration, "statements"> & { readonly steps: readonly string[] | null };

function countStatements({ steps, ...partial }: PartialRow): PartialMigration {
  return {
    ...partial,
    statements: steps === null ? null : steps.flatMap((step) => splitStatements(step)).length,
  };
}

const EMPTY_LIST = "'[]'::pg_catalog.json";

/** The rows of a query as one JSON list, ordered by the column `id`, which is left out. */
function asList(query: string): string {
  return `(SELECT COALESCE(pg_catalog.json_agg(pg_catalog.to_jsonb(found) - 'id' ORDER BY found.id), '[]')
           FROM (${query}) AS found)`;
}

/**
 * The table of applied migrations, each row with the beginning of its history. A row of the history belongs to the
 * applied migration with the same name and id, because plain node-pg-migrate may have undone a migration and applied it
 * again.
 *
 * The ids start again when the table is dropped and recreated while the history stays. So only rows since the latest
 * record of the migration as applied or taken over count (`since`), and none if the time of that record contradicts
 * `run_on` (`stale`). Both times are taken in one statement, with two exceptions:
 * - A migration without a transaction writes its row when it starts, and gets its `run_on` when it ends.
 * - The `run_on` of a migration that was taken over is local time, which may be ahead of UTC.
 *
 * A `run_on` equal to that of an earlier row is no contradiction (see `HistoryWriter.recordApplied`), provided that the history
 * of that row is older and counts: node-pg-migrate writes one time for a whole transaction.
 */
export function selectWithOrigin({ applied, history }: Tables): string {
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
export const ABOUT_M =
  "migration = m.name AND applied_id = m.id AND state = 'finished' AND id >= COALESCE(m.since, 0) AND m.stale IS NOT TRUE";

/**
 * Applied migrations, ordered by `id`, the order of insertion. `run_on` is the local time of its writer, so that a laptop
 * and a server in different zones would disagree about which migration came last.
 */
function selectApplied(tables: Tables, existing: Pick<Existing, "history">): string {
  const at = `pg_catalog.to_char(m.run_on, 'YYYY-MM-DD"T"HH24:MI:SS.US') AS "appliedAt"`;
  if (!existing.history) {
    return `SELECT m.id, m.name, ${at}, NULL AS "sourceDigest", NULL AS "sqlDigest", NULL AS "digestVersion",
                   NULL AS "recordedAs"
            FROM ONLY ${tables.applied} AS m`;
  }
  return `SELECT m.id, m.name, ${at}, h.source_digest AS "sourceDigest", h.sql_digest AS "sqlDigest",
                 h.digest_version AS "digestVersion",
                 CASE WHEN h.action IN ('fake', 'repair') AND h.note LIKE '${RECORDED_NOTE.begins}%${RECORDED_NOTE.ends}%'
                      THEN h.note END AS "recordedAs"
          FROM ${selectWithOrigin(tables)} AS m LEFT JOIN LATERAL (
            SELECT source_digest, sql_digest, digest_version, action, note FROM ONLY ${tables.history}
            WHERE ${ABOUT_M} ORDER BY id DESC LIMIT 1
          ) AS h ON true`;
}

/**
 * Partial migrations. Any later row of the same migration resolves it. `statement` is null when nothing has stayed. The
 * column `progress` is read from the whole row, because a history of an earlier version does not have it.
 */
function selectPartial(tables: Tables): string {
  return `SELECT h.id, h.migration AS name, h.action AS direction, h.statement, h.error_code AS "errorCode",
                 CASE WHEN h.action = 'up' THEN h.up_sql END AS steps,
                 pg_catalog.jsonb_extract_path(pg_catalog.to_jsonb(h), 'progress') AS progress,
                 pg_catalog.to_char(h.at, 'YYYY-MM-DD"T"HH24:MI:SS.MS') AS at
          FROM ONLY ${tables.history} AS h
          WHERE h.no_transaction AND h.state <> 'finished' AND h.statement IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM ONLY ${tables.history} AS later
                            WHERE later.migration = h.migration AND later.id > h.id)`;
}

/**
 * Backfills that have not ended. They have no `statement`, so that they are not partial: the next run goes on with them.
 * After a `down` it begins again, because the rows that were visited may have gone with their table or column.
 */
function selectBackfills(tables: Tables): string {
  return `SELECT h.id, h.migration AS name, h.sql_digest AS "sqlDigest", found.progress
          FROM ONLY ${tables.history} AS h
          CROSS JOIN LATERAL (SELECT pg_catalog.jsonb_extract_path(pg_catalog.to_jsonb(h), 'progress') AS progress) AS found
          WHERE h.no_transaction AND h.state <> 'finished' AND h.statement IS NULL AND h.action = 'up'
            AND pg_catalog.jsonb_extract_path_text(found.progress, 'kind') = 'backfill'
            AND NOT EXISTS (SELECT 1 FROM ONLY ${tables.history} AS later
                            WHERE later.id > h.id AND (later.migration = h.migration OR later.action = 'down'
                                                       AND (later.no_transaction OR later.state = 'finished')))`;
}

/** node-pg-migrate's table has no unique name: of two rows with the same name, the last one counts. */
function newestOfEachName(applied: readonly AppliedMigration[]): AppliedMigration[] {
  const last = new Map(applied.map((row, index) => [row.name, index]));
  return applied.filter((row, index) => last.get(row.name) === index);
}

/** Digests of the present files of one migration. */
export interface PresentDigests {
  readonly name: string;
  readonly sql: string | null;
  readonly source: string | null;
}

/** The migrations whose present digests equal any record of their present application. */
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
