import type { QueryResultRow } from "pg";
import pg from "pg";
import { ANOTHER_TABLE, type Session } from "../../postgres/index.ts";

/** Quoted, schema-qualified names of the engine's two tables. */
export interface TableNames {
  readonly applied: string;
  readonly history: string;
}

/** The oids of the engine's tables that were checked; null for one that does not exist. */
export interface Identity {
  readonly applied: number | null;
  readonly history: number | null;
}

/** `read` keeps other sessions from replacing or altering the tables; `write` keeps them from adding triggers too. */
export type Use = "read" | "write";

const LOCK_MODE = { read: "ACCESS SHARE", write: "ROW EXCLUSIVE" } as const;

/**
 * Statements that lock the tables and fail unless these are the checked ones, still without rules, triggers and row
 * security. The server resolves the names in later SQL of the transaction only then, so that SQL reads and writes the
 * checked tables. Run them in the engine's scope.
 */
export function sameTables(tables: TableNames, identity: Identity, use: Use): readonly string[] {
  const found = [
    [tables.applied, identity.applied] as const,
    [tables.history, identity.history] as const,
  ].flatMap(([name, oid]) => (oid === null ? [] : [{ name, oid }]));
  if (found.length === 0) return [];
  const named = found.map(({ name }) => `pg_catalog.to_regclass(${pg.escapeLiteral(name)})::pg_catalog.oid`);
  const oids = found.map(({ oid }) => oid).join(", ");
  return [
    lockTables(
      found.map(({ name }) => name),
      use,
    ),
    // Correlated subqueries would take the planner three times as long, and this runs with every migration.
    `SELECT pg_catalog.current_setting('${ANOTHER_TABLE}') WHERE ${found.length} <> (
       SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c
       WHERE c.oid IN (${oids}) AND c.oid IN (${named.join(", ")})
         AND c.relkind = 'r' AND NOT pg_catalog.row_security_active(c.oid))
       OR EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class IN (${oids}))
       OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid IN (${oids}))`,
  ];
}

/** Keeps other sessions from changing these tables until the end of the transaction. */
export function lockTables(names: readonly string[], use: Use): string {
  return `LOCK TABLE ${names.map((name) => `ONLY ${name}`).join(", ")} IN ${LOCK_MODE[use]} MODE`;
}

/** Reads the engine's tables as one message. The query has no parameters: its values are literals. */
export function readSame<Row extends QueryResultRow>(
  session: Session,
  tables: TableNames,
  identity: Identity,
  query: string,
): Promise<Row[]> {
  return session.lastRows([...sameTables(tables, identity, "read"), query].join(";\n"));
}

/** A list of texts as a literal. */
export function textArray(values: readonly (string | null)[]): string {
  return `ARRAY[${values.map((value) => (value === null ? "NULL" : pg.escapeLiteral(value))).join(", ")}]::pg_catalog.text[]`;
}
