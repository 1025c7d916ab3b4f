import { addressOf, type Entry } from "./entry.ts";
import type { ObjectRow, TableColumn } from "./rows.ts";

type Statements = Pick<Entry, "create" | "separable">;

/** The statements of one row. Of a table: its head, then the columns between parentheses, then the rest. */
export function createStatements(row: ObjectRow, defaultsCatalog: number): Statements {
  const parts = row.create ?? [];
  const { columns } = row;
  const [head, tail, ...further] = parts;
  if (!isTable(row) || head === undefined || tail === undefined)
    return { create: parts, separable: undefined };
  const all = columns ?? [];
  const listed = all.filter((column) => column.listed);
  const rest = [...further, ...all.flatMap((column) => column.after)];
  const create = (line: (column: TableColumn) => string): readonly string[] => [
    `${head} (${listed.map((column) => `\n  ${line(column)}`).join(",")}${listed.length > 0 ? "\n" : ""})${tail}`,
    ...rest,
  ];
  const defaults = listed.flatMap(({ alter, default: value, defaultOid }) =>
    value === null || defaultOid === null
      ? []
      : [{ address: addressOf(defaultsCatalog, defaultOid), statement: `${alter}SET DEFAULT ${value};` }],
  );
  const plain = (column: TableColumn): string => column.head + column.tail;
  return {
    create: create((column) =>
      column.default === null ? plain(column) : withDefault(column, column.default),
    ),
    separable: defaults.length === 0 ? undefined : { createWithoutDefaults: create(plain), defaults },
  };
}

/** A table may have no column at all. */
function isTable({ kind }: ObjectRow): boolean {
  return kind === "table" || kind === "foreign table";
}

function withDefault({ head, tail }: TableColumn, value: string): string {
  return `${head} DEFAULT ${value}${tail}`;
}
