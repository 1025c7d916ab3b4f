import type { Constraint, Node } from "libpg-query";
import { ColumnTypes, definedColumns } from "./column-types.ts";
import type { DatabaseFacts, NotNullCheck } from "./database-facts.ts";
import type { LintedMigration } from "./migration.ts";
import { isOnParentOnly, isSame, nameOf, type ObjectName } from "./objects.ts";
import type { SqlStatement } from "./parsed-sql.ts";

/** For each statement, the rules that do not apply to it, because Postgres does at once what they are about. */
export type InstantStatements = ReadonlyMap<SqlStatement, readonly string[]>;

/** Follows types and constraints of columns from the database through the migrations, in running order. */
export function findInstant(migrations: readonly LintedMigration[], facts: DatabaseFacts): InstantStatements {
  const types = new ColumnTypes(facts.columns);
  const checks = new NotNullChecks(facts.checks);
  const instant = new Map<SqlStatement, readonly string[]>();
  for (const statement of migrations.flatMap(({ up }) => up?.statements ?? [])) {
    const { node } = statement;
    const rules = [
      ...(types.onlyWidens(node) ? ["changing-column-type"] : []),
      ...(checks.proveNotNull(node) ? ["adding-not-nullable-field"] : []),
      ...(isOnParentOnly(node) ? ["require-concurrent-index-creation"] : []),
      ...(addsOnlyEmptyReferences(node) ? ["adding-foreign-key-constraint"] : []),
    ];
    if (rules.length > 0) instant.set(statement, rules);
    types.apply(node);
    checks.apply(node);
  }
  return instant;
}

interface Command {
  readonly subtype: string;
  readonly name: string | undefined;
  readonly def: Node | undefined;
}

function commandsOf(
  node: Node,
): { readonly table: ObjectName; readonly commands: readonly Command[] } | undefined {
  if (!("AlterTableStmt" in node)) return undefined;
  const table = nameOf(node.AlterTableStmt.relation);
  if (table === undefined) return undefined;
  const commands = (node.AlterTableStmt.cmds ?? []).flatMap((cmd): Command[] => {
    if (!("AlterTableCmd" in cmd)) return [];
    const { subtype = "", name, def } = cmd.AlterTableCmd;
    return [{ subtype, name, def }];
  });
  return { table, commands };
}

/** The constraints that prove that columns hold no null, so that SET NOT NULL reads no row. */
class NotNullChecks {
  #checks: readonly NotNullCheck[];

  constructor(checks: readonly NotNullCheck[]) {
    this.#checks = checks;
  }

  /** Whether a statement makes columns NOT NULL, and each of them is known to hold no null. */
  proveNotNull(node: Node): boolean {
    const altered = commandsOf(node);
    const set = altered?.commands.filter(({ subtype }) => subtype === "AT_SetNotNull") ?? [];
    return (
      set.length > 0 && set.every(({ name }) => altered !== undefined && this.#isProved(altered.table, name))
    );
  }

  #isProved(table: ObjectName, name: string | undefined): boolean {
    return this.#checks.some(
      (check) => check.validated && check.column === name && isSame(check.table, table),
    );
  }

  apply(node: Node): void {
    const altered = commandsOf(node);
    for (const command of altered?.commands ?? []) this.#applyOne(altered?.table ?? { name: "" }, command);
  }

  #applyOne(table: ObjectName, { subtype, name, def }: Command): void {
    const ofTable = (check: NotNullCheck) => isSame(check.table, table);
    if (subtype === "AT_AddConstraint" && def !== undefined && "Constraint" in def) {
      const column = columnNotNull(def.Constraint);
      if (column === undefined) return;
      const { conname, skip_validation: isUnchecked = false } = def.Constraint;
      const named = conname === undefined ? {} : { name: conname };
      this.#checks = [...this.#checks, { table, column, ...named, validated: !isUnchecked }];
    } else if (subtype === "AT_ValidateConstraint") {
      this.#checks = this.#checks.map((check) =>
        ofTable(check) && check.name === name ? { ...check, validated: true } : check,
      );
    } else if (subtype === "AT_DropConstraint") {
      this.#checks = this.#checks.filter((check) => !ofTable(check) || check.name !== name);
    } else if (subtype === "AT_DropNotNull" && name !== undefined) {
      this.#checks = this.#checks.filter((check) => !ofTable(check) || check.column !== name);
    }
  }
}

/** The column of CHECK (column IS NOT NULL). */
function columnNotNull({ contype, raw_expr: expression }: Constraint): string | undefined {
  if (contype !== "CONSTR_CHECK" || expression === undefined || !("NullTest" in expression)) return undefined;
  const { nulltesttype, arg } = expression.NullTest;
  if (nulltesttype !== "IS_NOT_NULL" || arg === undefined || !("ColumnRef" in arg)) return undefined;
  const last = (arg.ColumnRef.fields ?? []).at(-1);
  return last !== undefined && "String" in last ? last.String.sval : undefined;
}

/**
 * Whether the foreign keys of a statement are all part of ADD COLUMN without a default: each value is null, and Postgres
 * checks none. A foreign key that the same statement adds with ADD CONSTRAINT reads the table.
 */
function addsOnlyEmptyReferences(node: Node): boolean {
  const isForeign = (item: Node | undefined) =>
    item !== undefined && "Constraint" in item && item.Constraint.contype === "CONSTR_FOREIGN";
  const isAddedBeside = (commandsOf(node)?.commands ?? []).some(
    ({ subtype, def }) => subtype === "AT_AddConstraint" && isForeign(def),
  );
  if (isAddedBeside) return false;
  const referring = definedColumns(node).filter(
    ({ added, definition }) => added && (definition.constraints ?? []).some(isForeign),
  );
  return (
    referring.length > 0 && referring.every(({ definition }) => !(definition.constraints ?? []).some(fills))
  );
}

const FILLING = ["CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"];

function fills(item: Node): boolean {
  return "Constraint" in item && FILLING.includes(item.Constraint.contype ?? "");
}
