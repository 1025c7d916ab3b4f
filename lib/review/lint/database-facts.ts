import { given, type TableSize } from "../../core/index.ts";
import { TABLE_SIZES, type TableSizeRow, toTableSize } from "../../engine/index.ts";
import { type ConnectionSettings, closeClient } from "../../postgres/index.ts";
import { connectTo } from "../catalog/index.ts";
import type { KnownColumn } from "./column-types.ts";
import { isSame, type ObjectName } from "./objects.ts";

/** A CHECK constraint that says that a column is not null. */
export interface NotNullCheck {
  readonly table: ObjectName;
  readonly column: string;
  /** Absent if Postgres makes the name up. */
  readonly name?: string;
  /** Whether the existing rows were checked. */
  readonly validated: boolean;
}

/** What lint asks a database. */
export interface DatabaseFacts {
  readonly columns: readonly KnownColumn[];
  /** Columns that are NOT NULL count as checked. */
  readonly checks: readonly NotNullCheck[];
  /** The table of each index. */
  readonly indexes: readonly { readonly name: ObjectName; readonly table: ObjectName }[];
  /** Names of the tables, to tell which of them are new. @default - a table is new only to the migration that creates it */
  readonly tables?: readonly ObjectName[];
  /** @default - sizes are not known, or say nothing about the database that counts */
  readonly sizes?: readonly TableSize[];
  /** Whether tables without a size are small, or do not exist. @default - nothing is known of them */
  readonly othersAreSmall?: true;
}

export const NO_FACTS: DatabaseFacts = { columns: [], checks: [], indexes: [] };

/** Whether the database has no table of this name. False if its tables are not known. */
export function isAbsent({ tables }: DatabaseFacts, name: ObjectName): boolean {
  return tables !== undefined && !tables.some((table) => isSame(table, name));
}

/**
 * How much of a database is evidence: the shape of its tables (a developer's own, whose rows say nothing), also which
 * tables exist (one that has what was released), or their sizes too (one with the rows of production).
 */
export type Evidence = "columns" | "tables" | "sizes";

export async function readFacts(connection: ConnectionSettings, evidence: Evidence): Promise<DatabaseFacts> {
  const client = await connectTo(connection);
  try {
    // Sizes are read under a lock, which a session that changes the table keeps from everybody.
    await client.query("SET lock_timeout = '5s'");
    const { rows: columns } = await client.query<ColumnRow>(COLUMNS);
    const { rows: checks } = await client.query<CheckRow>(CHECKS);
    const { rows: indexes } = await client.query<IndexRow>(INDEXES);
    const { rows: tables } = await client.query<InTable>(TABLES);
    const sizes = evidence === "sizes" ? (await client.query<TableSizeRow>(TABLE_SIZES)).rows : undefined;
    return {
      columns: columns.map(toColumn),
      checks: checks.map(({ column, name, validated, ...table }) => {
        return { table: nameIn(table), column, ...(name === null ? {} : { name }), validated };
      }),
      indexes: indexes.map(({ schema, name, table }) => ({
        name: { schema, name },
        table: { schema, name: table },
      })),
      ...(evidence === "columns" ? {} : { tables: tables.map(nameIn) }),
      ...given({ sizes: sizes?.map(toTableSize) }),
    };
  } finally {
    await closeClient(client);
  }
}

interface InTable {
  readonly schema: string;
  readonly table: string;
}

interface ColumnRow extends InTable {
  readonly column: string;
  readonly type: string;
  readonly modifier: number;
  readonly indexed: boolean;
}

interface CheckRow extends InTable {
  readonly column: string;
  readonly name: string | null;
  readonly validated: boolean;
}

interface IndexRow extends InTable {
  readonly name: string;
}

const nameIn = ({ schema, table }: InTable): ObjectName => ({ schema, name: table });

function toColumn({ column, type, modifier, indexed, ...table }: ColumnRow): KnownColumn {
  return {
    table: nameIn(table),
    column,
    type: { name: type, modifiers: modifiersOf(type, modifier) },
    indexed,
  };
}

/** Decodes `atttypmod` like the output functions of the types. */
function modifiersOf(type: string, modifier: number): number[] {
  if (modifier < 0) return [];
  if (type === "varchar" || type === "bpchar") return [modifier - 4];
  if (type === "numeric") return [(modifier - 4) >>> 16, (modifier - 4) & 0xff_ff];
  return type === "interval" ? [modifier & 0xff_ff] : [modifier];
}

const RELATION = `n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS table`;
const OF_USERS = `n.nspname OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)'`;
const JOIN_NAMESPACE = `JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace`;

/** An index on an expression or a part of the rows may use any column. */
const COLUMNS = `SELECT ${RELATION}, a.attname::pg_catalog.text AS column, t.typname::pg_catalog.text AS type,
    a.atttypmod AS modifier,
    EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid
      AND (a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey) OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) AS indexed
  FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
  ${JOIN_NAMESPACE} JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[]) AND a.attnum OPERATOR(pg_catalog.>) 0
    AND NOT a.attisdropped AND ${OF_USERS}`;

/** Postgres 18 has NOT NULL constraints that are not validated. */
const CHECKS = `SELECT ${RELATION}, a.attname::pg_catalog.text AS column, k.conname::pg_catalog.text AS name,
    (COALESCE(k.convalidated, false) OR a.attnotnull AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_constraint AS v WHERE v.conrelid OPERATOR(pg_catalog.=) c.oid
        AND v.contype OPERATOR(pg_catalog.=) 'n' AND NOT v.convalidated
        AND a.attnum OPERATOR(pg_catalog.=) ANY (v.conkey))) AS validated
  FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
  ${JOIN_NAMESPACE} LEFT JOIN pg_catalog.pg_constraint AS k
    ON k.conrelid OPERATOR(pg_catalog.=) c.oid AND k.contype OPERATOR(pg_catalog.=) 'c'
    AND pg_catalog.split_part(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', 1) OPERATOR(pg_catalog.=)
      pg_catalog.format('CHECK ((%I IS NOT NULL))', a.attname)
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[]) AND a.attnum OPERATOR(pg_catalog.>) 0
    AND NOT a.attisdropped AND ${OF_USERS} AND (a.attnotnull OR k.oid IS NOT NULL)`;

const INDEXES = `SELECT ${RELATION}, x.relname::pg_catalog.text AS name
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indrelid ${JOIN_NAMESPACE} WHERE ${OF_USERS}`;

const TABLES = `SELECT ${RELATION} FROM pg_catalog.pg_class AS c ${JOIN_NAMESPACE}
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m}'::pg_catalog."char"[]) AND ${OF_USERS}`;
