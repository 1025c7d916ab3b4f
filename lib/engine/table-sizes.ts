import { MigrationError, type PlanStep, SMALL_TABLE_BYTES, type TableSize } from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import { mentions } from "../sql/index.ts";

/** A row of `TABLE_SIZES`. */
export interface TableSizeRow {
  readonly schema: string;
  readonly name: string;
  readonly rows: number | null;
  /** Text, because it may exceed an integer. */
  readonly bytes: string;
  readonly is_partition: boolean;
}

/** The sizes of all tables, with their partitions and the tables that inherit: a statement works on these too. */
export const TABLE_SIZES = `WITH RECURSIVE tree AS (
    SELECT c.oid AS root, c.oid FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m}'::pg_catalog."char"[])
      AND n.nspname OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)'
    UNION SELECT tree.root, i.inhrelid FROM tree
      JOIN pg_catalog.pg_inherits AS i ON i.inhparent OPERATOR(pg_catalog.=) tree.oid
  ), parts AS (
    SELECT tree.root, p.reltuples, p.relkind, pg_catalog.pg_relation_size(p.oid) OPERATOR(pg_catalog.+)
      CASE p.reltoastrelid WHEN 0 THEN 0 ELSE pg_catalog.pg_relation_size(p.reltoastrelid) END AS bytes
    FROM tree JOIN pg_catalog.pg_class AS p ON p.oid OPERATOR(pg_catalog.=) tree.oid
  )
  SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
    c.relispartition AS is_partition, pg_catalog.sum(parts.bytes)::pg_catalog.text AS bytes,
    CASE WHEN pg_catalog.sum(parts.bytes) OPERATOR(pg_catalog.=) 0 THEN 0
      WHEN pg_catalog.bool_or(parts.reltuples OPERATOR(pg_catalog.<) 0 AND parts.relkind OPERATOR(pg_catalog.<>) 'p') THEN NULL
      ELSE pg_catalog.sum(parts.reltuples) FILTER (WHERE parts.relkind OPERATOR(pg_catalog.<>) 'p')::pg_catalog.float8
    END AS rows
  FROM parts JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) parts.root
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  GROUP BY n.nspname, c.relname, c.relispartition ORDER BY n.nspname, c.relname`;

export function toTableSize({ schema, name, rows, bytes }: TableSizeRow): TableSize {
  return { schema, name, rows, bytes: Number(bytes) };
}

/** A plan does not wait longer for them: a session that changes a table keeps everybody from reading its size. */
const LONGEST_MS = 5_000;

/** The tables that are not small, and those that the SQL of a plan names; undefined if the server does not tell in time. */
export async function sizesOfTables(
  session: Session,
  steps: readonly Pick<PlanStep, "sql">[],
): Promise<readonly TableSize[] | undefined> {
  const texts = steps.flatMap(({ sql }) => sql ?? []);
  try {
    const rows = await session.lastRows<TableSizeRow>(
      `SET LOCAL statement_timeout = ${LONGEST_MS}; ${TABLE_SIZES}`,
    );
    return rows
      .filter(({ name, bytes, is_partition: isPartition }) => {
        const isLarge = Number(bytes) > SMALL_TABLE_BYTES && !isPartition;
        return isLarge || texts.some((text) => mentions(text, name));
      })
      .map(toTableSize);
  } catch (error) {
    if (error instanceof MigrationError && ["SQL", "LOCK_TIMEOUT"].includes(error.code)) return undefined;
    throw error;
  }
}
