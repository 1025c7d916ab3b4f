import * as v from "valibot";
import { MigrationError } from "../core/index.ts";
import type { Row, Tool } from "./tool.ts";

/** Sends one query and answers its rows. */
export type Query = (sql: string, values?: readonly string[]) => Promise<readonly unknown[]>;

/** A table by its schema and name. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

const TABLES = v.array(v.object({ schema: v.string(), name: v.string(), columns: v.array(v.string()) }));
const ROWS = v.array(v.record(v.string(), v.nullable(v.string())));

/** The schemas of the server are never searched. The name comes from outside and is a value. */
const FIND = `SELECT n.nspname::text AS schema, c.relname::text AS name,
  ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = $1 AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND ($2 = '' OR n.nspname = $2)
ORDER BY 1`;

export interface ToolRows {
  readonly table: TableName;
  /** The query that read them. */
  readonly sql: string;
  readonly rows: readonly Row[];
}

/**
 * Reads the tool's table, oldest row first.
 * @param named its name, with its schema if the name is in several; the tool's default otherwise
 * @throws MigrationError `USAGE` if there is no such table, or more than one, or it belongs to another tool
 */
export async function readToolTable(query: Query, tool: Tool, named?: string): Promise<ToolRows> {
  const [name, schema = ""] = (named ?? tool.table.name).split(".").reverse();
  const found = v.parse(TABLES, await query(FIND, [name ?? "", schema]));
  const [table, second] = found;
  if (table === undefined) throw noTable(tool, named);
  if (second !== undefined) throw severalTables(tool, found);
  requireColumns(tool, table);
  await requireNoRun(query, tool, table);
  const [first, ...others] = tool.table.columns.map((column) => `${quote(column)}::text`);
  const list = [first, ...others].join(", ");
  // A text would sort 10 before 9.
  const order = quote(tool.table.columns[0]);
  const sql = `SELECT ${list} FROM ${quote(table.schema)}.${quote(table.name)} t ORDER BY t.${order}`;
  return { table, sql, rows: v.parse(ROWS, await query(sql)) };
}

function requireColumns(tool: Tool, { schema, name, columns }: v.InferOutput<typeof TABLES>[number]): void {
  const foreign = Object.entries(tool.table.foreignColumns ?? {}).find(([column]) =>
    columns.includes(column),
  );
  const missing = tool.table.columns.filter((column) => !columns.includes(column));
  if (foreign === undefined && missing.length === 0) return;
  const what =
    foreign === undefined
      ? `it has no column ${missing.join(", ")}`
      : `its column ${foreign[0]} is that of ${foreign[1]}`;
  throw new MigrationError("USAGE", `${schema}.${name} is not the table of ${tool.title}: ${what}`, {
    hint: "Name the right tool with --from, or its table with --table schema.name.",
  });
}

const FLAGS = v.array(v.object({ flag: v.boolean() }));

async function requireNoRun(query: Query, { title, table }: Tool, { schema }: TableName): Promise<void> {
  if (table.lock === undefined) return;
  const { name, column, release } = table.lock;
  const qualified = `${quote(schema)}.${quote(name)}`;
  const ask = async (condition: string, values: readonly string[] = []) =>
    v.parse(FLAGS, await query(`SELECT ${condition} AS flag`, values))[0]?.flag === true;
  if (!(await ask("pg_catalog.to_regclass($1) IS NOT NULL", [qualified]))) return;
  if (!(await ask(`EXISTS (SELECT FROM ${qualified} WHERE ${quote(column)}::integer = 1)`))) return;
  throw new MigrationError(
    "LOCK_HELD",
    `${title} is running: ${schema}.${name} says that it holds its lock`,
    {
      hint: `Wait until it has ended. If no run of it is left, release the lock: ${release}.`,
    },
  );
}

/** A quoted identifier. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function noTable(tool: Tool, named: string | undefined): MigrationError {
  const message = `the database has no table ${named ?? tool.table.name}, where ${tool.title} records what is applied`;
  return new MigrationError("USAGE", message, {
    hint: "Connect to a database that it has migrated, name its table with --table schema.name, or convert only the files with --files-only.",
  });
}

function severalTables(tool: Tool, found: readonly TableName[]): MigrationError {
  const names = found.map(({ schema, name }) => `${schema}.${name}`).join(", ");
  return new MigrationError("USAGE", `several tables may be that of ${tool.title}: ${names}`, {
    hint: "Name one of them with --table.",
  });
}
