import pg from "pg";
import { MIGRATION_LOCK_ID, type ResolvedOptions } from "../core/index.ts";
import { quoteLiteral } from "../sql/index.ts";

/**
 * A run holds two advisory locks: an exclusive one of its table of applied migrations, and a shared one of
 * node-pg-migrate's id. Runs of one table exclude each other, runs of different tables do not, and node-pg-migrate,
 * which takes its id exclusively, excludes them all and is excluded by each.
 */
export type MigrationLock = "table" | "node-pg-migrate";

type TableName = Pick<ResolvedOptions, "migrationsSchema" | "migrationsTable">;

/** The id of a table's lock. The server computes it, so that a person can do the same in psql. */
function tableLockId({ migrationsSchema, migrationsTable }: TableName): string {
  const name = `${pg.escapeIdentifier(migrationsSchema)}.${pg.escapeIdentifier(migrationsTable)}`;
  return `pg_catalog.hashtextextended(${quoteLiteral(name)}, ${MIGRATION_LOCK_ID})`;
}

/** Each lock is taken twice, so that a test can release one hold and keep the lock. */
function locksOf(table: TableName) {
  const id = tableLockId(table);
  return {
    tryTable: `pg_catalog.pg_try_advisory_lock(${id})`,
    unlockTable: `pg_catalog.pg_advisory_unlock(${id})`,
    tryShared: `pg_catalog.pg_try_advisory_lock_shared(${MIGRATION_LOCK_ID})`,
    unlockShared: `pg_catalog.pg_advisory_unlock_shared(${MIGRATION_LOCK_ID})`,
  };
}

/**
 * Takes both locks or none, without waiting. Advisory locks are re-entrant: when this server connection already holds one
 * of them, another run does, and a pooler sends both runs over the same server connection.
 */
export function takeMigrationLock(table: TableName, pid: number): string {
  const { tryTable, tryShared, unlockShared } = locksOf(table);
  const heldHere = `EXISTS (SELECT FROM ${locksIn(table)} AND l.granted AND l.pid = ${pid})`;
  return (
    `SELECT CASE WHEN pg_catalog.pg_backend_pid() <> ${pid} OR ${heldHere} THEN 'elsewhere' ` +
    `WHEN NOT (${tryShared} AND ${tryShared}) THEN 'held' WHEN ${tryTable} AND ${tryTable} THEN 'acquired' ` +
    `WHEN ${unlockShared} AND ${unlockShared} THEN 'held' END AS outcome`
  );
}

/** A condition that is true when both locks are held: one hold of each is released, which tells, and taken again. */
export function holdsMigrationLock(table: TableName): string {
  const { tryTable, unlockTable, tryShared, unlockShared } = locksOf(table);
  return `${unlockTable} AND ${tryTable} AND ${unlockShared} AND ${tryShared}`;
}

export function releaseMigrationLock(table: TableName): string {
  const { unlockTable, unlockShared } = locksOf(table);
  return `SELECT ${unlockTable}, ${unlockTable}, ${unlockShared}, ${unlockShared}`;
}

/**
 * The session that keeps a run from starting, as the columns `pid` and `lock`. Others that hold node-pg-migrate's id
 * shared are runs of other tables. Who waits for it in a queue is in the way, too.
 */
export function inTheWay(table: TableName): string {
  const lock = `CASE WHEN ${KEY} = ${MIGRATION_LOCK_ID} THEN 'node-pg-migrate' ELSE 'table' END AS lock`;
  return `SELECT l.pid, ${lock} FROM ${locksIn(table)} AND l.mode = 'ExclusiveLock' ORDER BY l.granted DESC LIMIT 1`;
}

/** A bigint key is shown as two 32-bit halves. */
const KEY = "((l.classid::bigint << 32) | l.objid::bigint)";

/** The rows of both locks in `pg_locks`, as `l`. */
function locksIn(table: TableName): string {
  return `pg_catalog.pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND ${KEY} IN (${MIGRATION_LOCK_ID}, ${tableLockId(table)})`;
}
