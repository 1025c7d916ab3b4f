import pg from "pg";
import { MigrationError } from "../../core/index.ts";
import { type CatalogOptions, inSnapshot, readOwnRelations } from "../catalog/index.ts";

/** A value as text, or what the default of its column has made. */
export type Value = string | null | typeof DEFAULT;

/** The value of a column that differs from replay to replay, and comes from its default. */
export const DEFAULT = Symbol("DEFAULT");

export interface Column {
  /** Quoted where necessary. */
  readonly name: string;
  readonly type: string;
  readonly hasDefault: boolean;
  readonly alwaysIdentity: boolean;
}

/** The rows of one table, in the order in which they were inserted. */
export interface TableRows {
  /** Qualified, and quoted where necessary. */
  readonly table: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Value[])[];
}

export interface SequenceState {
  readonly sequence: string;
  readonly lastValue: string;
  readonly isCalled: boolean;
}

/** What a database holds beside its schema. */
export interface Contents {
  /** Tables that have rows. */
  readonly tables: readonly TableRows[];
  /** Sequences that are not at their start. */
  readonly sequences: readonly SequenceState[];
}

/** Reads the rows of all tables, except those of the engine and of extensions. */
export async function readContents(client: pg.Client, { exclude }: CatalogOptions): Promise<Contents> {
  return inSnapshot(client, async () => {
    const own = await readOwnRelations(client, exclude);
    const { rows: found } = await client.query<Omit<TableRows, "rows">>(TABLES, [own]);
    const tables: TableRows[] = [];
    for (const { table, columns } of found) {
      const values = columns.map(({ name }) => `${name}::text`).join(", ");
      const { rows } = await client.query<{ row: string[] }>(
        `SELECT ARRAY[${values}]::text[] AS "row" FROM ONLY ${table} ORDER BY ctid`,
      );
      if (rows.length > 0) tables.push({ table, columns, rows: rows.map(({ row }) => row) });
    }
    return { tables, sequences: await readSequences(client, own) };
  });
}

const USERS = (kind: string): string => `c.relkind = '${kind}' AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema' AND c.relpersistence <> 't' AND c.oid <> ALL ($1::oid[])
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`;

const TABLES = `SELECT c.oid::regclass::text AS "table", (
    SELECT coalesce(json_agg(json_build_object(
      'name', quote_ident(a.attname), 'type', format_type(a.atttypid, NULL),
      'hasDefault', a.atthasdef OR a.attidentity <> '', 'alwaysIdentity', a.attidentity = 'a') ORDER BY a.attnum), '[]')
    FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  ) AS columns
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE ${USERS("r")} ORDER BY c.oid::regclass::text COLLATE "C"`;

const SEQUENCES = `SELECT c.oid::regclass::text AS name, s.seqstart::text AS start
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_sequence AS s ON s.seqrelid = c.oid
  WHERE ${USERS("S")} ORDER BY 1`;

async function readSequences(client: pg.Client, own: readonly number[]): Promise<SequenceState[]> {
  const { rows: found } = await client.query<{ name: string; start: string }>(SEQUENCES, [own]);
  const states: SequenceState[] = [];
  for (const { name: sequence, start } of found) {
    const { rows } = await client.query<Omit<SequenceState, "sequence">>(
      `SELECT last_value::text AS "lastValue", is_called AS "isCalled" FROM ${sequence}`,
    );
    const [state] = rows;
    if (state !== undefined && (state.isCalled || state.lastValue !== start))
      states.push({ sequence, ...state });
  }
  return states;
}

/**
 * Compares the rows of two replays. A value that differs becomes DEFAULT where its column has a default, which made it.
 * The same rows may lie in another order: a backfill moves those that it writes, and its batches depend on the time.
 * @throws MigrationError `MIGRATION` for rows that no file can hold, because each replay makes other ones
 */
export function requireReproducible(first: Contents, second: Contents): Contents {
  const others = new Map(second.tables.map((one) => [one.table, one]));
  const problems: string[] = [];
  const tables = first.tables.map((one) => {
    const other = others.get(one.table);
    if (other?.rows.length !== one.rows.length) problems.push(`the number of rows of ${one.table}`);
    if (other !== undefined && sortedRows(one) === sortedRows(other)) return one;
    const rows = one.rows.map((row, index) =>
      row.map((value, at): Value => {
        const column = one.columns[at];
        if (column === undefined || value === other?.rows[index]?.[at]) return value;
        if (!column.hasDefault) problems.push(`${one.table}.${column.name}`);
        return DEFAULT;
      }),
    );
    return { ...one, rows };
  });
  if (first.tables.length !== second.tables.length) problems.push("which tables have rows");
  if (problems.length > 0) throw notReproducible([...new Set(problems)]);
  return { ...first, tables };
}

function sortedRows({ rows }: TableRows): string {
  return JSON.stringify(rows.map((row) => JSON.stringify(row)).toSorted());
}

function notReproducible(problems: readonly string[]): MigrationError {
  const message = `the migrations make other rows each time they run: ${problems.join(", ")} differ between two replays`;
  return new MigrationError("MIGRATION", message, {
    hint: "A baseline holds rows as they are. Squash up to an earlier migration, or put what makes these values (now(), random()) into the default of the column: a value from a default may differ.",
  });
}

/** The differences of two databases as text; empty when they hold the same. Values of defaults are not compared. */
export function diffContents(expected: Contents, actual: Contents): string {
  const others = new Map(actual.tables.map((one) => [one.table, one]));
  const own = new Set(expected.tables.map(({ table }) => table));
  const lines = expected.tables.flatMap((one) => {
    const rows = others.get(one.table)?.rows ?? [];
    const differs = one.rows.findIndex((row, index) => !isSameRow(row, rows[index]));
    if (differs < 0 && rows.length === one.rows.length) return [];
    return [`~ rows of ${one.table}: ${one.rows.length} expected, ${rows.length} found`];
  });
  const added = actual.tables.filter(({ table }) => !own.has(table)).map(({ table }) => `+ rows of ${table}`);
  const texts = (sequences: readonly SequenceState[]) => sequences.map((one) => JSON.stringify(one));
  const found = new Set(texts(actual.sequences));
  const sequences = texts(expected.sequences).filter((one) => !found.has(one));
  return [...lines, ...added, ...sequences.map((one) => `~ sequence ${one}`)].join("\n");
}

function isSameRow(expected: readonly Value[], actual: readonly Value[] | undefined): boolean {
  return expected.every((value, at) => value === DEFAULT || value === actual?.[at]);
}

const ROWS_PER_STATEMENT = 1_000;

/** The statements that insert rows and set sequences. */
export function statementsFor({ tables, sequences }: Contents): readonly string[] {
  return [
    ...tables.flatMap(insertsOf),
    ...sequences.map(
      ({ sequence, lastValue, isCalled }) =>
        `SELECT pg_catalog.setval(${literal(sequence)}, ${lastValue}, ${isCalled});`,
    ),
  ];
}

function insertsOf({ table, columns, rows }: TableRows): string[] {
  if (columns.length === 0) return rows.map(() => `INSERT INTO ${table} DEFAULT VALUES;`);
  const names = columns.map(({ name }) => name).join(", ");
  const overriding = columns.some((one) => one.alwaysIdentity) ? " OVERRIDING SYSTEM VALUE" : "";
  const texts = rows.map((row) => `  (${row.map((value, at) => sqlOf(value, columns[at])).join(", ")})`);
  const starts = Array.from(
    { length: Math.ceil(texts.length / ROWS_PER_STATEMENT) },
    (_, n) => n * ROWS_PER_STATEMENT,
  );
  return starts.map((start) => {
    const part = texts.slice(start, start + ROWS_PER_STATEMENT).join(",\n");
    return `INSERT INTO ${table} (${names})${overriding} VALUES\n${part};`;
  });
}

const BARE = /^(?:smallint|integer|bigint|boolean)$/;

function sqlOf(value: Value, column: Column | undefined): string {
  if (value === DEFAULT) return "DEFAULT";
  if (value === null) return "NULL";
  return BARE.test(column?.type ?? "") ? value : literal(value);
}

function literal(text: string): string {
  return pg.escapeLiteral(text).trimStart();
}
