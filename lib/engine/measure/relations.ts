import {
  blockedBy,
  LOCK_MODES,
  type LockMode,
  type MeasuredLock,
  type MeasuredRows,
} from "../../core/index.ts";
import { ENGINE_PATH, type Session } from "../../postgres/index.ts";
import { quoteLiteral } from "../../sql/index.ts";
import type { Tables } from "../history/tables.ts";
import { type HeldLock, lockModeOf, locksOf } from "./lock-guard.ts";

/** A table, or something else in `pg_class` that can be locked like one. */
export interface Relation {
  readonly oid: number;
  readonly kind: string;
  /** Number of its file; another one after a rewrite. */
  readonly file: number;
  /** Of an index: its table. */
  readonly table: number | null;
  readonly schema: string;
  readonly name: string;
}

/** A relation that was there before, as the report shows it. */
export interface KnownRelation extends Relation {
  /** Quoted; qualified outside the first schema. */
  readonly shown: string;
  readonly rows: number | null;
  readonly bytes: number;
}

const COLUMNS = `c.oid, c.relkind AS kind, c.relfilenode AS file, i.indrelid AS "table", n.nspname AS schema, c.relname AS name`;
const SOURCE = `pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
  WHERE c.oid = ANY ($1::pg_catalog.oid[]) OR i.indrelid = ANY ($1::pg_catalog.oid[])`;

/** Whether the database holds tables or views, in any schema, other than those of the engine and of extensions. */
export async function holdsTables(session: Session, tables: Tables): Promise<boolean> {
  const own = [tables.applied, tables.history].map(quoteLiteral).join(", ");
  const [row] = await session.lastRows<{ found: boolean }>(
    `SET LOCAL search_path = ${ENGINE_PATH};
     SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND c.oid NOT IN (SELECT o.oid FROM (SELECT pg_catalog.to_regclass(own)::pg_catalog.oid AS oid
                                              FROM pg_catalog.unnest(ARRAY[${own}]) AS own) AS o WHERE o.oid IS NOT NULL)
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                           AND d.objid = c.oid AND d.deptype = 'e')) AS found`,
  );
  return row?.found ?? true;
}

/** The locks of the session's transaction on relations. */
export async function readHeldLocks(session: Session): Promise<HeldLock[]> {
  const rows = await session.rows<{ oid: number; mode: string }>(
    `SELECT l.relation AS oid, l.mode FROM ${locksOf(session.pid)}`,
  );
  return rows.flatMap(({ oid, mode: name }) => {
    const mode = lockModeOf(name);
    return mode === undefined ? [] : [{ oid, mode }];
  });
}

/** These relations and their indexes, as the session sees them now. */
export async function readRelations(session: Session, oids: readonly number[]): Promise<Relation[]> {
  return session.rows<Relation & Record<string, unknown>>(`SELECT ${COLUMNS} FROM ${SOURCE}`, [oids]);
}

/** As `readRelations`, with sizes. */
export async function readKnownRelations(
  session: Session,
  oids: readonly number[],
  firstSchema: string,
): Promise<KnownRelation[]> {
  return session.rows<KnownRelation & Record<string, unknown>>(
    `SELECT ${COLUMNS},
       CASE WHEN n.nspname = $2 THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END || pg_catalog.quote_ident(c.relname) AS shown,
       NULLIF(c.reltuples, -1)::float8 AS rows, COALESCE(pg_catalog.pg_total_relation_size(c.oid), 0)::float8 AS bytes
     FROM ${SOURCE}`,
    [oids, firstSchema],
  );
}

/**
 * Names that SQL uses for these tables, in lower case: their own, and those of indexes, constraints, and tables that are
 * joined to them by a foreign key or by inheritance.
 */
export async function readNamesAround(
  session: Session,
  oids: readonly number[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const rows = await session.rows<{ oid: number; names: string[] }>(
    `SELECT t.oid, pg_catalog.array_agg(pg_catalog.lower(around.name)) AS names
     FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS t(oid), LATERAL (
       SELECT k.conname::pg_catalog.text AS name FROM pg_catalog.pg_constraint AS k WHERE t.oid IN (k.conrelid, k.confrelid)
       UNION SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = t.oid
         OR c.oid IN (SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = t.oid)
         OR c.oid IN (SELECT i.indrelid FROM pg_catalog.pg_index AS i WHERE i.indexrelid = t.oid)
         OR c.oid IN (SELECT k.conrelid FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = t.oid)
         OR c.oid IN (SELECT k.confrelid FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = t.oid)
         OR c.oid IN (SELECT h.inhparent FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = t.oid)
         OR c.oid IN (SELECT h.inhrelid FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = t.oid)
     ) AS around GROUP BY t.oid`,
    [oids],
  );
  return new Map(rows.map(({ oid, names }) => [oid, names]));
}

/** Rows that the open transaction has changed so far, by table. */
export async function readChangedRows(session: Session): Promise<ReadonlyMap<number, ChangedRows>> {
  const rows = await session.rows<{ oid: number } & ChangedRows>(
    `SELECT s.relid AS oid, s.n_tup_ins::float8 AS inserted, s.n_tup_upd::float8 AS updated, s.n_tup_del::float8 AS deleted
     FROM pg_catalog.pg_stat_xact_user_tables AS s WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0`,
  );
  return new Map(rows.map(({ oid, ...changed }) => [oid, changed]));
}

export type ChangedRows = Omit<MeasuredRows, "table">;

/** How much WAL the server has written; null where it does not tell, as some hosted ones. */
export async function readWalPosition(session: Session): Promise<number | null> {
  const [row] = await session.rows<{ bytes: number }>(
    "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes",
  );
  return row?.bytes ?? null;
}

/** A lock, and when in the work of its migration it was taken. Milliseconds. */
export interface TakenLock extends HeldLock {
  readonly sinceMs: number;
  /** From 1. */
  readonly statement: number;
}

const KINDS: Readonly<Record<string, MeasuredLock["kind"]>> = {
  i: "index",
  I: "index",
  S: "sequence",
  v: "view",
  m: "materialized view",
  f: "foreign table",
  c: "type",
};

/** The locks to tell of: on what was there before, and not those that another one implies. */
export function describeLocks(
  taken: readonly TakenLock[],
  known: ReadonlyMap<number, KnownRelation>,
  { endMs, rewritten }: { readonly endMs: number; readonly rewritten: ReadonlySet<number> },
): MeasuredLock[] {
  const locks = taken.filter(({ oid, mode }) => {
    const schema = known.get(oid)?.schema;
    return schema !== undefined && schema !== "pg_toast" && rank(mode) >= rank("ROW EXCLUSIVE");
  });
  const implied = (one: TakenLock) => locks.some((other) => implies(other, one, known.get(one.oid)?.table));
  return locks
    .filter((one) => !implied(one))
    .flatMap(({ oid, mode, sinceMs }) => {
      const relation = known.get(oid);
      if (relation === undefined) return [];
      const { kind, shown: table, rows, bytes } = relation;
      const heldMs = Math.round(Math.max(0, endMs - sinceMs) * 10) / 10;
      const facts = { table, kind: KINDS[kind] ?? "table", mode, blocks: blockedBy(mode), heldMs };
      return [{ ...facts, rows, bytes, rewritten: rewritten.has(oid) }];
    })
    .toSorted((a, b) => rank(b.mode) - rank(a.mode) || b.heldMs - a.heldMs);
}

/** Whether a lock says nothing new beside another one, on the same relation or on the table of the index. */
function implies(strong: TakenLock, weak: TakenLock, table: number | null | undefined): boolean {
  if (strong === weak || strong.sinceMs > weak.sinceMs) return false;
  if (strong.oid === weak.oid) return rank(strong.mode) > rank(weak.mode);
  return strong.oid === table && rank(strong.mode) >= rank(weak.mode);
}

function rank(mode: LockMode): number {
  return LOCK_MODES.indexOf(mode);
}
