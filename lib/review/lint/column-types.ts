import type { ColumnDef, Node, RenameStmt } from "libpg-query";
import { given } from "../../core/index.ts";
import { isSame, nameOf, type ObjectName, partsOf } from "./objects.ts";

/** A column that a statement defines or whose default it sets. */
export interface DefinedColumn {
  readonly table: ObjectName;
  /** True for ALTER TABLE … ADD COLUMN. */
  readonly added: boolean;
  readonly definition: ColumnDef;
  readonly defaultValue: Node | undefined;
}

export function definedColumns(node: Node): DefinedColumn[] {
  if ("CreateStmt" in node) {
    const table = nameOf(node.CreateStmt.relation);
    if (table === undefined) return [];
    return (node.CreateStmt.tableElts ?? []).flatMap((item) =>
      "ColumnDef" in item ? [column(table, false, item.ColumnDef)] : [],
    );
  }
  if (!("AlterTableStmt" in node)) return [];
  const table = nameOf(node.AlterTableStmt.relation);
  if (table === undefined) return [];
  return (node.AlterTableStmt.cmds ?? []).flatMap((cmd): DefinedColumn[] => {
    if (!("AlterTableCmd" in cmd)) return [];
    const { subtype, def, name } = cmd.AlterTableCmd;
    if (subtype === "AT_AddColumn" && def !== undefined && "ColumnDef" in def)
      return [column(table, true, def.ColumnDef)];
    if (subtype !== "AT_ColumnDefault" || name === undefined) return [];
    return [{ table, added: false, definition: { colname: name }, defaultValue: def }];
  });
}

function column(table: ObjectName, added: boolean, definition: ColumnDef): DefinedColumn {
  const defaultValue = constraintsOf(definition).find(
    ({ contype }) => contype === "CONSTR_DEFAULT",
  )?.raw_expr;
  return { table, added, definition, defaultValue };
}

function constraintsOf({ constraints = [] }: ColumnDef) {
  return constraints.flatMap((item) => ("Constraint" in item ? [item.Constraint] : []));
}

const SERIALS = ["smallserial", "serial", "bigserial", "serial2", "serial4", "serial8"];

/** Whether each row gets a different value. Squawk reports volatile defaults, which do that too. */
export function rewritesWhenAdded(definition: ColumnDef): boolean {
  const type = (definition.typeName?.names ?? []).flatMap(partsOf).at(-1) ?? "";
  if (SERIALS.includes(type)) return true;
  return constraintsOf(definition).some(
    ({ contype, generated_kind }) =>
      contype === "CONSTR_IDENTITY" || (contype === "CONSTR_GENERATED" && generated_kind !== "v"),
  );
}

export function isRequired(definition: ColumnDef): boolean {
  return constraintsOf(definition).some(({ contype }) => contype === "CONSTR_NOTNULL");
}

export function hasCheck(definition: ColumnDef): boolean {
  return constraintsOf(definition).some(({ contype }) => contype === "CONSTR_CHECK");
}

const LOOKS_LIKE_CALL =
  /^\s*(?:now(?:\s*\(\s*\))?|current_(?:timestamp|date|time)|localtime(?:stamp)?|(?:clock_timestamp|gen_random_uuid|uuid_generate_v\d\w*|random|uuidv[47])\s*\(\s*\)|nextval\s*\(.*\))\s*$/i;

/** A quoted default that was meant to be evaluated for each row. */
export function textTakenForCall(value: Node | undefined): string | undefined {
  if (value === undefined) return undefined;
  if ("TypeCast" in value) return textTakenForCall(value.TypeCast.arg);
  const text = "A_Const" in value ? value.A_Const.sval?.sval : undefined;
  return text !== undefined && LOOKS_LIKE_CALL.test(text) ? text : undefined;
}

/** Stable functions return the same value for every row of a statement, so Postgres evaluates the default once. */
const STABLE =
  /^(?:now|transaction_timestamp|statement_timestamp|timezone|date_trunc|date_part|current_setting|to_timestamp|to_date|make_interval|make_date|lower|upper|concat|coalesce|jsonb?_build_(?:object|array)|to_jsonb?|array_fill|md5|length|txid_current|pg_current_xact_id|current_database|current_schema|version)$/;

/** Whether an expression has the same value for every row. False if it calls an unknown function. */
export function isStable(node: Node | undefined): boolean {
  if (node === undefined) return true;
  if ("A_Const" in node || "SQLValueFunction" in node) return true;
  if ("TypeCast" in node) return isStable(node.TypeCast.arg);
  if ("CollateClause" in node) return isStable(node.CollateClause.arg);
  if ("A_Expr" in node) return isStable(node.A_Expr.lexpr) && isStable(node.A_Expr.rexpr);
  if ("A_ArrayExpr" in node) return (node.A_ArrayExpr.elements ?? []).every(isStable);
  if ("CoalesceExpr" in node) return (node.CoalesceExpr.args ?? []).every(isStable);
  if (!("FuncCall" in node)) return false;
  const name = (node.FuncCall.funcname ?? []).flatMap(partsOf).at(-1) ?? "";
  return STABLE.test(name) && (node.FuncCall.args ?? []).every(isStable);
}

/** A type by its name on the server (`varchar`, `numeric`), with the numbers in its parentheses. */
export interface ColumnType {
  readonly name: string;
  readonly modifiers: readonly number[];
}

/** A column of the database. */
export interface KnownColumn {
  readonly table: ObjectName;
  readonly column: string;
  readonly type: ColumnType;
  /** Whether an index has it, as far as that is known. @default - unknown */
  readonly indexed?: boolean;
}

/** The types of columns in the database, updated by each migration. */
export class ColumnTypes {
  readonly #columns: KnownColumn[];

  constructor(columns: readonly KnownColumn[]) {
    this.#columns = [...columns];
  }

  /** Whether a statement changes types of columns and all these changes are instant: no row is rewritten or read. */
  onlyWidens(node: Node): boolean {
    const changes = typeChanges(node);
    return (
      changes.length > 0 &&
      changes.every(({ table, definition, column }) => {
        const olds = this.#find(table, column);
        const next = typeOf(definition);
        const isPlain = definition.collClause === undefined && isOnlyCast(definition.raw_default, column);
        return isPlain && next !== undefined && olds.length > 0 && olds.every((old) => isInstant(next, old));
      })
    );
  }

  /** Records the types that a statement defines or changes, and which columns have an index. */
  apply(node: Node): void {
    for (const { table, definition } of definedColumns(node))
      this.#set(table, definition.colname, definition, false);
    for (const { table, definition, column } of typeChanges(node)) {
      const { indexed } = this.#find(table, column)[0] ?? {};
      this.#set(table, column, definition, indexed);
    }
    const index = indexedBy(node);
    if (index !== undefined) this.#setIndexed(index.table, index.columns);
    if ("RenameStmt" in node) this.#rename(node.RenameStmt);
  }

  #find(table: ObjectName, column: string): KnownColumn[] {
    return this.#columns.filter((known) => known.column === column && isSame(known.table, table));
  }

  #set(table: ObjectName, column = "", definition: ColumnDef, indexed: boolean | undefined): void {
    const type = typeOf(definition);
    if (column === "" || type === undefined) return;
    const old = this.#find(table, column);
    const isKey = constraintsOf(definition).some(({ contype = "" }) => KEYS.includes(contype));
    const others = this.#columns.filter((known) => !old.includes(known));
    this.#replace([...others, { table, column, type, ...given({ indexed: isKey || indexed }) }]);
  }

  #setIndexed(table: ObjectName, columns: readonly string[] | "any"): void {
    const isMeant = ({ table: other, column }: KnownColumn) =>
      isSame(other, table) && (columns === "any" || columns.includes(column));
    this.#replace(this.#columns.map((known) => (isMeant(known) ? { ...known, indexed: true } : known)));
  }

  #rename({ renameType, relation, subname, newname }: RenameStmt): void {
    const table = nameOf(relation);
    if (table === undefined || newname === undefined) return;
    this.#replace(
      this.#columns.map((known) => {
        if (!isSame(known.table, table)) return known;
        if (renameType === "OBJECT_TABLE") return { ...known, table: { ...known.table, name: newname } };
        return renameType === "OBJECT_COLUMN" && known.column === subname
          ? { ...known, column: newname }
          : known;
      }),
    );
  }

  #replace(columns: readonly KnownColumn[]): void {
    this.#columns.splice(0, this.#columns.length, ...columns);
  }
}

const KEYS = ["CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_EXCLUSION"];

/** The columns that get an index; `any` if an expression or a condition may use others. */
function indexedBy(
  node: Node,
): { readonly table: ObjectName; readonly columns: readonly string[] | "any" } | undefined {
  if ("IndexStmt" in node) {
    const { relation, indexParams = [], whereClause } = node.IndexStmt;
    const table = nameOf(relation);
    const columns = indexParams.map((item) => ("IndexElem" in item ? item.IndexElem.name : undefined));
    const isPlain = whereClause === undefined && columns.every((name) => name !== undefined);
    return table && { table, columns: isPlain ? columns.filter((name) => name !== undefined) : "any" };
  }
  const elements = "CreateStmt" in node ? (node.CreateStmt.tableElts ?? []) : addedConstraints(node);
  const keys = elements.flatMap((item) =>
    "Constraint" in item && KEYS.includes(item.Constraint.contype ?? "") ? [item.Constraint] : [],
  );
  const relation = "CreateStmt" in node ? node.CreateStmt.relation : undefined;
  const table = nameOf("AlterTableStmt" in node ? node.AlterTableStmt.relation : relation);
  if (table === undefined || keys.length === 0) return undefined;
  const isPlain = keys.every(({ keys: names = [] }) => names.length > 0);
  return { table, columns: isPlain ? keys.flatMap(({ keys: names = [] }) => names.flatMap(partsOf)) : "any" };
}

function addedConstraints(node: Node): Node[] {
  if (!("AlterTableStmt" in node)) return [];
  return (node.AlterTableStmt.cmds ?? []).flatMap((cmd) =>
    "AlterTableCmd" in cmd &&
    cmd.AlterTableCmd.subtype === "AT_AddConstraint" &&
    cmd.AlterTableCmd.def !== undefined
      ? [cmd.AlterTableCmd.def]
      : [],
  );
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
  const modifiers = (typeName?.typmods ?? []).flatMap((item) =>
    "A_Const" in item && item.A_Const.ival !== undefined ? [item.A_Const.ival.ival ?? 0] : [],
  );
  return { name, modifiers };
}

/** Whether USING only repeats the default conversion. */
function isOnlyCast(using: Node | undefined, column: string): boolean {
  if (using === undefined) return true;
  if ("TypeCast" in using) return isOnlyCast(using.TypeCast.arg, column) && using.TypeCast.arg !== undefined;
  return "ColumnRef" in using && (using.ColumnRef.fields ?? []).flatMap(partsOf).at(-1) === column;
}

function isInstant(next: ColumnType, { type, indexed }: KnownColumn): boolean {
  if (isWider(next, type)) return true;
  // The engine's sessions are in UTC, where both mean the same; an index on the column is built again.
  const isSameTime = TIMES.includes(type.name) && TIMES.includes(next.name) && type.name !== next.name;
  return isSameTime && indexed === false && isWider({ ...next, name: type.name }, type);
}

const TIMES = ["timestamp", "timestamptz"];
const TEXTS = ["text", "varchar"];
const WITH_PRECISION = ["varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval"];

function isWider(next: ColumnType, old: ColumnType): boolean {
  const [limit, ...rest] = next.modifiers;
  const [oldLimit, ...oldRest] = old.modifiers;
  if (TEXTS.includes(old.name) && TEXTS.includes(next.name) && limit === undefined) return true;
  if (old.name === "cidr" && next.name === "inet") return true;
  if (old.name !== next.name) return false;
  if (limit === oldLimit && rest.join() === oldRest.join()) return true;
  if (old.name === "numeric") {
    if (limit === undefined) return true;
    return oldLimit !== undefined && limit >= oldLimit && (rest[0] ?? 0) === (oldRest[0] ?? 0);
  }
  if (!WITH_PRECISION.includes(old.name)) return false;
  return limit === undefined || (oldLimit !== undefined && limit >= oldLimit);
}
