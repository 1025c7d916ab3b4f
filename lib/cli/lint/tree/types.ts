import type { ColumnDef, Node } from "libpg-query";
import { definedColumns } from "./columns.ts";
import { isSame, nameOf, type ObjectName, partsOf } from "./names.ts";

/** A type as the server calls it (`varchar`, `numeric`), with the numbers in its parentheses. */
export interface ColumnType {
  readonly name: string;
  readonly modifiers: readonly number[];
}

/** A column of the database that is linted against. */
export interface KnownColumn {
  readonly table: ObjectName;
  readonly column: string;
  readonly type: ColumnType;
}

/** The types of columns, as the database has them and as the migrations change them on their way. */
export class ColumnTypes {
  readonly #columns: KnownColumn[];

  constructor(columns: readonly KnownColumn[]) {
    this.#columns = [...columns];
  }

  /** Whether a statement changes the types of columns and all of it is instant: nothing is rewritten or read. */
  onlyWidens(node: Node): boolean {
    const changes = typeChanges(node);
    return (
      changes.length > 0 &&
      changes.every(({ table, definition, column }) => {
        const olds = this.#columns.filter((one) => one.column === column && isSame(one.table, table));
        const wanted = typeOf(definition);
        const isPlain = definition.collClause === undefined && isOnlyCast(definition.raw_default, column);
        return (
          isPlain &&
          wanted !== undefined &&
          olds.length > 0 &&
          olds.every(({ type }) => isWider(type, wanted))
        );
      })
    );
  }

  /** What a statement does to the types. */
  apply(node: Node): void {
    for (const { table, definition } of definedColumns(node))
      this.#set(table, definition.colname, definition);
    for (const { table, definition, column } of typeChanges(node)) this.#set(table, column, definition);
  }

  #set(table: ObjectName, column: string | undefined, definition: ColumnDef): void {
    const type = typeOf(definition);
    if (column === undefined || type === undefined) return;
    const isIt = (one: KnownColumn): boolean => one.column === column && isSame(one.table, table);
    const others = this.#columns.filter((one) => !isIt(one));
    this.#columns.splice(0, this.#columns.length, ...others, { table, column, type });
  }
}

export function changesTypes(node: Node): boolean {
  return typeChanges(node).length > 0;
}

interface TypeChange {
  readonly table: ObjectName;
  readonly column: string;
  readonly definition: ColumnDef;
}

function typeChanges(node: Node): TypeChange[] {
  if (!("AlterTableStmt" in node)) return [];
  const table = nameOf(node.AlterTableStmt.relation);
  if (table === undefined) return [];
  return (node.AlterTableStmt.cmds ?? []).flatMap((cmd): TypeChange[] => {
    if (!("AlterTableCmd" in cmd) || cmd.AlterTableCmd.subtype !== "AT_AlterColumnType") return [];
    const { name: column, def } = cmd.AlterTableCmd;
    if (column === undefined || def === undefined || !("ColumnDef" in def)) return [];
    return [{ table, column, definition: def.ColumnDef }];
  });
}

function typeOf({ typeName }: ColumnDef): ColumnType | undefined {
  const name = (typeName?.names ?? []).flatMap(partsOf).at(-1);
  if (name === undefined || (typeName?.arrayBounds ?? []).length > 0) return undefined;
  const modifiers = (typeName?.typmods ?? []).flatMap((one) =>
    "A_Const" in one && one.A_Const.ival !== undefined ? [one.A_Const.ival.ival ?? 0] : [],
  );
  return { name, modifiers };
}

/** USING may say what would happen anyway. */
function isOnlyCast(using: Node | undefined, column: string): boolean {
  if (using === undefined) return true;
  if ("TypeCast" in using) return isOnlyCast(using.TypeCast.arg, column) && using.TypeCast.arg !== undefined;
  return "ColumnRef" in using && (using.ColumnRef.fields ?? []).flatMap(partsOf).at(-1) === column;
}

const TEXTS = ["text", "varchar"];
const WITH_PRECISION = ["varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval"];

function isWider(old: ColumnType, wanted: ColumnType): boolean {
  const [limit, ...rest] = wanted.modifiers;
  const [oldLimit, ...oldRest] = old.modifiers;
  if (TEXTS.includes(old.name) && TEXTS.includes(wanted.name) && limit === undefined) return true;
  if (old.name === "cidr" && wanted.name === "inet") return true;
  if (old.name !== wanted.name) return false;
  if (limit === oldLimit && rest.join() === oldRest.join()) return true;
  if (old.name === "numeric") {
    if (limit === undefined) return true;
    return oldLimit !== undefined && limit >= oldLimit && (rest[0] ?? 0) === (oldRest[0] ?? 0);
  }
  if (!WITH_PRECISION.includes(old.name)) return false;
  return limit === undefined || (oldLimit !== undefined && limit >= oldLimit);
}
