import type { ConnectionSettings } from "../../migrator/index.ts";
import { connectTo } from "../catalog/index.ts";
import type { KnownColumn } from "./tree/types.ts";

interface Row {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly modifier: number;
}

const QUERY = `SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS table, a.attname::pg_catalog.text AS column,
    t.typname::pg_catalog.text AS type, a.atttypmod AS modifier
  FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[]) AND a.attnum OPERATOR(pg_catalog.>) 0
    AND NOT a.attisdropped AND n.nspname OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)'`;

/** The types of all columns of the database. */
export async function readColumnTypes(connection: ConnectionSettings): Promise<KnownColumn[]> {
  const client = await connectTo(connection);
  try {
    const { rows } = await client.query<Row>(QUERY);
    return rows.map(({ schema, table, column, type, modifier }) => ({
      table: { schema, name: table },
      column,
      type: { name: type, modifiers: modifiersOf(type, modifier) },
    }));
  } finally {
    await client.end();
  }
}

/** As the types' own output functions read `atttypmod`. */
function modifiersOf(type: string, modifier: number): number[] {
  if (modifier < 0) return [];
  if (type === "varchar" || type === "bpchar") return [modifier - 4];
  if (type === "numeric") return [(modifier - 4) >>> 16, (modifier - 4) & 0xff_ff];
  return type === "interval" ? [modifier & 0xff_ff] : [modifier];
}
