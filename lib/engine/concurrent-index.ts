import pg from "pg";
import { MigrationError } from "../core/index.ts";
import { ENGINE_PATH, type Session } from "../postgres/index.ts";
import type { IndexBuild, NameParts } from "../sql/index.ts";

/** Attempts to build an index that other sessions leave invalid at the same time. */
const MOST_TRIES = 3;

/** Builds an index with `run`. Invalid indexes that this attempt and earlier ones have left are dropped. */
export async function buildIndex<T>(session: Session, index: IndexBuild, run: () => Promise<T>): Promise<T> {
  const table = await findTable(session, index.table);
  if (table === undefined) return run();
  if (index.name === undefined) return buildUnnamed(session, table, run);
  for (let attempt = 1; attempt <= MOST_TRIES; attempt += 1) {
    for (const { oid } of await findInvalid(session, table, index.name))
      await dropAbandoned(session, table, oid);
    const result = await run();
    // With IF NOT EXISTS the server skips an index that another session may have failed to build in the meantime.
    if (!index.ifNotExists || (await findInvalid(session, table, index.name)).length === 0) return result;
  }
  throw new MigrationError(
    "MIGRATION",
    `index ${index.name} on ${table.name} is invalid: no query can use it`,
    {
      hint: `Another session builds it again and again. Wait for it, or run DROP INDEX CONCURRENTLY ${index.name};`,
    },
  );
}

/** For an index without a name, the server chooses a new name with each attempt. */
async function buildUnnamed<T>(session: Session, table: TableName, run: () => Promise<T>): Promise<T> {
  const before = await listIndexes(session, table.oid);
  const result = await run();
  await dropLeftBehind(session, table, before);
  return result;
}

/** The oids of a table's indexes. */
export async function listIndexes(session: Session, table: number | undefined): Promise<readonly number[]> {
  const rows = await inCatalog<{ oid: number }>(
    session,
    `SELECT i.indexrelid AS oid FROM pg_catalog.pg_index AS i WHERE i.indrelid = ${table ?? 0}`,
  );
  return rows.map(({ oid }) => oid);
}

/** Drops invalid indexes of `before` when there is a valid one with their definition that is newer. */
export async function dropLeftBehind(
  session: Session,
  table: TableName,
  before: readonly number[],
): Promise<void> {
  const oids = before.join(", ") || "0";
  const leftBehind = await inCatalog<{ oid: number }>(
    session,
    `SELECT old.indexrelid AS oid FROM (${definitions(table)}) AS fresh JOIN (${definitions(table)}) AS old USING (definition)
     WHERE fresh.indisvalid AND NOT old.indisvalid
       AND fresh.indexrelid NOT IN (${oids}) AND old.indexrelid IN (${oids})`,
  );
  for (const { oid } of leftBehind) await dropAbandoned(session, table, oid);
}

/** A query for the indexes of a table. Their definition leaves out the number that the server adds to a name. */
function definitions({ oid }: TableName): string {
  return `SELECT i.indexrelid, i.indisvalid, pg_catalog.concat_ws(' ', pg_catalog.regexp_replace(c.relname, '[0-9]+$', ''),
            i.indisunique, i.indnkeyatts, i.indkey, i.indcollation, i.indclass, i.indoption, c.relam,
            pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)) AS definition
          FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
          WHERE i.indrelid = ${oid} AND c.relkind = 'i'`;
}

export interface TableName {
  readonly oid: number;
  /** Qualified and quoted. */
  readonly name: string;
}

/**
 * The oid of a table or index, found in the migration's search path. The query has no operators, because other roles could
 * have defined them.
 */
export async function findRelation(session: Session, name: NameParts): Promise<number | undefined> {
  const parts = name.map((part) => `pg_catalog.quote_ident(${asRead(part)})`).join(", '.', ");
  const [row] = await session.rows<{ oid: number | null }>(
    `SELECT pg_catalog.to_regclass(pg_catalog.concat(${parts}))::pg_catalog.oid AS oid`,
  );
  return row?.oid ?? undefined;
}

export async function findTable(session: Session, name: NameParts): Promise<TableName | undefined> {
  const oid = await findRelation(session, name);
  if (oid === undefined) return undefined;
  const [named] = await inCatalog<{ name: string }>(
    session,
    `SELECT ${oid}::pg_catalog.regclass::pg_catalog.text AS name`,
  );
  return named === undefined ? undefined : { oid, name: named.name };
}

/**
 * An expression for an identifier as the server reads it: folded to lower case, cut to 63 bytes, without quotes and
 * escapes. Only the server knows these rules exactly.
 */
export function asRead(identifier: string): string {
  return `(SELECT pg_catalog.json_object_keys(pg_catalog.row_to_json(part.*)) FROM (SELECT 1 AS ${identifier}) AS part)`;
}

/** Prefix of the name of an invalid index that is about to be dropped. */
const ABANDONED = "cdk_pg_migrate_abandoned_";

/** Invalid indexes of the table: those with this name, and those that an earlier attempt has renamed to drop them. */
function findInvalid(session: Session, table: TableName, name: string): Promise<{ oid: number }[]> {
  return inCatalog(
    session,
    `SELECT i.indexrelid AS oid FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
     WHERE i.indrelid = ${table.oid} AND NOT i.indisvalid AND c.relkind = 'i'
       AND (c.relname = ${asRead(name)} OR pg_catalog.starts_with(c.relname, '${ABANDONED}'))`,
  );
}

/**
 * Drops an index if it is still invalid after every build of it has ended. A session that builds an index holds a lock
 * on its table that only one session can hold: under this lock the catalog is certain. The lock cannot be kept while the
 * index is dropped, because readers would have to wait, so the index first gets a name that no other session uses.
 */
async function dropAbandoned(session: Session, table: TableName, oid: number): Promise<void> {
  const schema = await lockAndRename(session, table, oid);
  if (schema === undefined) return;
  await session.run(`DROP INDEX CONCURRENTLY IF EXISTS ${schema}.${ABANDONED}${oid}`);
}

/** @returns the schema of the renamed index; undefined when it is valid by now, or gone */
async function lockAndRename(session: Session, table: TableName, oid: number): Promise<string | undefined> {
  try {
    await session.run(
      `BEGIN; SET LOCAL search_path = ${ENGINE_PATH}; LOCK TABLE ONLY ${table.name} IN SHARE UPDATE EXCLUSIVE MODE`,
    );
    await waitForLastCommit(session, oid);
    const [index] = await session.rows<{ name: string; relname: string; schema: string }>(
      `SELECT c.oid::pg_catalog.regclass::pg_catalog.text AS name, c.relname, pg_catalog.quote_ident(n.nspname) AS schema
       FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       WHERE i.indexrelid = ${oid} AND i.indrelid = ${table.oid} AND NOT i.indisvalid`,
    );
    const rename =
      index === undefined || index.relname === `${ABANDONED}${oid}`
        ? ""
        : `ALTER INDEX ${index.name} RENAME TO ${pg.escapeIdentifier(`${ABANDONED}${oid}`)}; `;
    await session.run(`${rename}COMMIT`);
    return index?.schema;
  } catch (error) {
    await session.rollback();
    throw error;
  }
}

/**
 * Waits while an open transaction has changed the index's row in the catalog. A server releases the table lock of
 * CREATE INDEX CONCURRENTLY a moment before it commits that the index is valid.
 */
async function waitForLastCommit(session: Session, oid: number): Promise<void> {
  const isChanging = `SELECT pg_catalog.pg_sleep(0.01) FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_locks AS l ON l.transactionid = i.xmax
    WHERE i.indexrelid = ${oid} AND l.locktype = 'transactionid' AND l.granted`;
  while ((await session.rows(isChanging)).length > 0);
}

/** Runs a query in a search path in which other roles cannot define operators or functions. */
export function inCatalog<Row extends pg.QueryResultRow>(session: Session, query: string): Promise<Row[]> {
  return session.lastRows<Row>(`SET LOCAL search_path = ${ENGINE_PATH}; ${query}`);
}
