import pg from "pg";
import { MigrationError, type ResolvedOptions } from "../core/index.ts";
import { ENGINE_PATH, migrationPath, type Session } from "../postgres/index.ts";
import { quoteLiteral } from "../sql/index.ts";
import { type CheckedBackfill, refuseAssigned } from "./backfill.ts";

/** The table of a backfill and its key, as the database has them. */
export interface BackfillTable {
  /** Qualified and quoted. */
  readonly name: string;
  /** In the order of the index. */
  readonly key: readonly KeyColumn[];
}

export interface KeyColumn {
  readonly name: string;
  /** As a cast names it. */
  readonly type: string;
}

/** Values of the key columns as text. */
export type Key = readonly string[];

interface TableFacts {
  readonly name: string;
  readonly kind: string;
  readonly columns: readonly (KeyColumn & { readonly notNull: boolean })[] | null;
  readonly indexes: readonly IndexFacts[] | null;
}

/** A unique index whose order the engine can follow. */
interface IndexFacts {
  readonly primary: boolean;
  readonly columns: readonly string[];
}

/**
 * Finds the table of a backfill and the key by which its batches go.
 * @returns undefined when there is no such table: an earlier migration of the run may make it
 * @throws MigrationError `MIGRATION` for a table without such a key
 */
export async function findBackfillTable(
  session: Session,
  options: ResolvedOptions,
  migration: string,
  backfill: CheckedBackfill,
): Promise<BackfillTable | undefined> {
  const [found] = await session.lastRows<{ oid: number | null }>(
    `SET LOCAL search_path = ${migrationPath(options)}; ` +
      `SELECT pg_catalog.to_regclass(${quoteLiteral(backfill.table)})::pg_catalog.oid AS oid`,
  );
  const oid = found?.oid ?? null;
  if (oid === null) return undefined;
  const [facts] = await session.lastRows<TableFacts>(
    `SET LOCAL search_path = ${ENGINE_PATH}; ${selectFacts(oid)}`,
  );
  if (facts === undefined) return undefined;
  const key = chooseKey(migration, backfill, facts);
  refuseAssigned(
    migration,
    backfill.statement,
    key.map(({ name }) => name),
  );
  return { name: facts.name, key };
}

/**
 * An index counts when it is unique at once (not deferred), complete, and ordered by operators of `pg_catalog`: a
 * comparison with another operator, such as that of citext, would order the rows differently.
 */
function selectFacts(oid: number): string {
  return `SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind::text AS kind,
    (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                       'notNull', a.attnotnull))
     FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT json_agg(json_build_object('primary', i.indisprimary, 'columns', keys.columns) ORDER BY i.indexrelid)
     FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_am AS am ON am.oid = ic.relam
     CROSS JOIN LATERAL (
       SELECT json_agg(a.attname ORDER BY part.number) AS columns,
              bool_and(o.opcdefault AND o.opcnamespace = 'pg_catalog'::regnamespace
                       AND i.indcollation[(part.number - 1)::integer] = a.attcollation
                       AND i.indoption[(part.number - 1)::integer] = i.indoption[0]
                       AND i.indoption[0] IN (0, 3)) AS ordered
       FROM unnest(i.indkey) WITH ORDINALITY AS part (attnum, number)
       JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = part.attnum
       JOIN pg_opclass AS o ON o.oid = i.indclass[(part.number - 1)::integer]
       WHERE part.number <= i.indnkeyatts) AS keys
     WHERE i.indrelid = c.oid AND am.amname = 'btree' AND i.indisunique AND i.indisvalid AND i.indimmediate
       AND i.indpred IS NULL AND i.indexprs IS NULL AND keys.ordered) AS indexes
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ${oid}`;
}

function chooseKey(migration: string, { key }: CheckedBackfill, facts: TableFacts): readonly KeyColumn[] {
  const { name, kind, columns, indexes } = facts;
  if (kind !== "r" && kind !== "p")
    throw unusable(migration, `visits ${name}, which is no table`, "Name the table under it.");
  const wanted = key.length > 0 ? key : (indexes ?? []).find(({ primary }) => primary)?.columns;
  if (wanted === undefined)
    throw unusable(
      migration,
      `visits ${name}, which has no primary key that can be followed`,
      'Name the columns of another unique index with "-- key: …" (the property key).',
    );
  const found = wanted.map((column) => (columns ?? []).find((one) => one.name === column));
  const listed = wanted.map((column) => pg.escapeIdentifier(column)).join(", ");
  for (const [index, column] of found.entries()) {
    if (column === undefined)
      throw unusable(
        migration,
        `has the key "${wanted[index]}", and ${name} has no such column`,
        "Name columns of the table.",
      );
    if (!column.notNull)
      throw unusable(
        migration,
        `has the key "${column.name}", which may be NULL in ${name}: such rows would be left out`,
        "Choose columns that are NOT NULL, such as those of the primary key.",
      );
  }
  if (!(indexes ?? []).some((one) => isSame(one.columns, wanted)))
    throw unusable(
      migration,
      `has a key without a unique index on ${name} (${listed}): each batch would read the whole table`,
      `Choose the columns of a unique index in its order, or make one in a migration before: CREATE UNIQUE INDEX CONCURRENTLY ON ${name} (${listed}). It must be a plain btree index, not deferrable, without WHERE.`,
    );
  return found.filter((column) => column !== undefined);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((column, index) => column === other[index]);
}

/**
 * The condition on the key for the rows behind one key, up to another one that is included.
 * @param alias how the statement calls the table
 */
export function betweenKeys(
  { key }: BackfillTable,
  alias: string | undefined,
  after: Key | null,
  to?: Key,
): string {
  const conditions = [
    ...(after === null ? [] : [comparison(key, alias, ">", after)]),
    ...(to === undefined ? [] : [comparison(key, alias, "<=", to)]),
  ];
  return `(${conditions.length === 0 ? "true" : conditions.join(" AND ")})`;
}

function comparison(
  key: readonly KeyColumn[],
  alias: string | undefined,
  operator: string,
  values: Key,
): string {
  const columns = key.map(
    ({ name }) => `${alias === undefined ? "" : `${alias}.`}${pg.escapeIdentifier(name)}`,
  );
  const literals = key.map(({ type }, index) => `${quoteLiteral(values[index] ?? "")}::${type}`);
  const [left, right] = [columns, literals].map((list) =>
    list.length === 1 ? list[0] : `ROW(${list.join(", ")})`,
  );
  return `${left} OPERATOR(pg_catalog.${operator}) ${right}`;
}

/** The rows of the next batch: their number, and the last of their keys. */
export interface Page {
  readonly rows: number;
  readonly last: Key;
}

/** Finds the next rows behind a key; undefined at the end of the table. */
export async function nextPage(
  session: Session,
  table: BackfillTable,
  after: Key | null,
  size: number,
): Promise<Page | undefined> {
  const columns = table.key.map(({ name }) => pg.escapeIdentifier(name));
  // As in JSON: independent of DateStyle and other settings of the role.
  const texts = columns.map((column) => `to_jsonb(page.${column}) #>> '{}'`);
  const [page] = await session.lastRows<Page>(
    `SET LOCAL search_path = ${ENGINE_PATH};
     WITH page AS (SELECT ${columns.join(", ")} FROM ${table.name} AS visited
                   WHERE ${betweenKeys(table, "visited", after)} ORDER BY ${columns.join(", ")} LIMIT ${size})
     SELECT (SELECT count(*) FROM page)::integer AS rows, ARRAY[${texts.join(", ")}] AS last
     FROM page ORDER BY ${columns.map((column) => `${column} DESC`).join(", ")} LIMIT 1`,
  );
  return page;
}

/** How many rows the table has, as the planner estimates it. */
export async function estimateRows(session: Session, { name }: BackfillTable): Promise<number> {
  const [row] = await session.lastRows<{
    "QUERY PLAN": readonly { readonly Plan: { readonly "Plan Rows": number } }[];
  }>(`SET LOCAL search_path = ${ENGINE_PATH}; EXPLAIN (FORMAT JSON) SELECT FROM ${name}`);
  return row?.["QUERY PLAN"][0]?.Plan["Plan Rows"] ?? 0;
}

/**
 * Lag of the slowest replica in milliseconds; null when there is none, or the user may not see it. The server shows the
 * last lag for some seconds after a replica has caught up, so that its place in the WAL counts too.
 */
export async function readReplicaLag(session: Session): Promise<number | null> {
  const [row] = await session.lastRows<{ lag: number | null }>(
    `SET LOCAL search_path = ${ENGINE_PATH};
     SELECT max(1000 * date_part('epoch', replay_lag)) AS lag FROM pg_stat_replication
     WHERE state = 'streaming' AND replay_lag > '0' AND replay_lsn < pg_current_wal_lsn()`,
  );
  return row?.lag ?? null;
}

function unusable(migration: string, what: string, hint: string): MigrationError {
  return new MigrationError("MIGRATION", `backfill ${migration} ${what}`, { migration, hint });
}
