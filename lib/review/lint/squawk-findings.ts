import type { Node } from "libpg-query";
import { type MaskedSql, maskSql } from "../../sql/index.ts";
import { definedColumns, isRequired, isStable, rewritesWhenAdded } from "./column-types.ts";
import type { InstantStatements } from "./instant.ts";
import type { LintedMigration } from "./migration.ts";
import {
  type Created,
  droppedBy,
  isNew,
  isSame,
  lockedTables,
  nameOf,
  type ObjectName,
  withCreatedBefore,
} from "./objects.ts";
import { createOffsets, type SqlStatement } from "./parsed-sql.ts";
import { positionOf, type RuleFinding } from "./report.ts";
import { runSquawk, type SquawkComplaint } from "./squawk.ts";
import { SQUAWK_RULES, UNUSED_SQUAWK_RULES } from "./squawk-rules.ts";

/** The SQL of one migration as squawk reads it, and the origin of each line. */
export interface SquawkScript {
  readonly text: string;
  /** The origin of each line, from 0; null for the lines around the statements. */
  readonly lines: readonly (ScriptLine | null)[];
}

interface ScriptLine {
  readonly statement: SqlStatement;
  /** Squawk reads the masked statement, so that no secret is written to its temporary file. */
  readonly masked: MaskedSql;
  /** Offset of the line in the masked statement. */
  readonly start: number;
  readonly text: string;
}

export interface SquawkOptions {
  readonly program: string;
  readonly postgresMajor: number;
  readonly instant: InstantStatements;
  readonly signal: AbortSignal | undefined;
}

/** Runs squawk once for all migrations. Returns its findings by the name of the migration. */
export async function findBySquawk(
  migrations: readonly LintedMigration[],
  { program, postgresMajor, instant, signal }: SquawkOptions,
): Promise<Map<string, RuleFinding[]>> {
  const inputs = migrations.flatMap((migration, index) => {
    const script = writeSquawkScript(migration);
    // The name of a migration may contain characters that a pattern or a file system does not allow.
    return script === undefined ? [] : [{ migration, script, file: `${index}.sql` }];
  });
  const scripts = new Map(inputs.map(({ file, script }) => [file, script.text]));
  const complaints = groupBy(
    await runSquawk({ program, scripts, postgresMajor, signal }),
    ({ file }) => file,
  );
  return new Map(
    inputs.map(({ migration, script, file }) => [
      migration.name,
      readComplaints(migration, script, complaints.get(file) ?? [], instant),
    ]),
  );
}

/**
 * Each statement begins on a new line. BEGIN and COMMIT are added if the migration runs in a transaction, because the
 * flag of squawk for that applies to all files of a call.
 */
export function writeSquawkScript({ up }: LintedMigration): SquawkScript | undefined {
  if (up === null || up.syntaxError !== null || up.statements.length === 0) return undefined;
  const lines: (ScriptLine | null)[] = up.transactional ? [null] : [];
  const texts = up.statements.map((statement) => {
    // Squawk counts line feeds only.
    let start = 0;
    const masked = maskSql(statement.text);
    for (const text of masked.text.split("\n")) {
      lines.push({ statement, masked, start, text });
      start += text.length + 1;
    }
    return `${masked.text};\n`;
  });
  const text = texts.join("");
  return { text: up.transactional ? `BEGIN;\n${text}COMMIT;\n` : text, lines };
}

/** Converts the complaints about one migration to findings, and drops those that do not apply. */
export function readComplaints(
  migration: LintedMigration,
  script: SquawkScript,
  complaints: readonly SquawkComplaint[],
  instant: InstantStatements = new Map(),
): RuleFinding[] {
  if (complaints.some(({ rule_name }) => rule_name === "syntax-error")) return [notReadable(complaints)];
  const located = complaints.flatMap((complaint) => {
    const line = script.lines[complaint.line];
    return line ? [{ complaint, line }] : [];
  });
  const isUnused = unusedRules(migration, instant);
  return [...groupBy(located, ({ line }) => line.statement)].flatMap(([statement, ofStatement]) => {
    const rules = new Set(ofStatement.map(({ complaint }) => complaint.rule_name));
    const used = ofStatement.filter(({ complaint }) => !isUnused(complaint.rule_name, statement, rules));
    return used.map(({ complaint, line }) => {
      const offset = line.start + createOffsets(line.text).ofByte(complaint.column);
      return toFinding(migration, complaint, statement, line.masked.toReal(offset));
    });
  });
}

/** Returns a test whether a complaint does not apply, given its rule, its statement and the other rules it breaks. */
function unusedRules({ up, createdBefore }: LintedMigration, instant: InstantStatements) {
  const onNewTables = new Set<SqlStatement>();
  const onNewColumns = new Set<SqlStatement>();
  for (const { statement, created } of withCreatedBefore(up?.statements ?? [], createdBefore)) {
    if (locksOnlyNew(statement.node, created)) onNewTables.add(statement);
    if (isAboutNewColumns(statement.node, created)) onNewColumns.add(statement);
  }
  return (rule: string, statement: SqlStatement, others: ReadonlySet<string>): boolean => {
    if (Object.hasOwn(UNUSED_SQUAWK_RULES, rule)) return true;
    const settings = SQUAWK_RULES[rule];
    if (instant.get(statement)?.includes(rule)) return true;
    if (rule === "adding-field-with-default" && hasStableDefaults(statement.node)) return true;
    if (rule === "adding-required-field" && hasValues(statement.node)) return true;
    if (OF_COLUMNS.includes(rule) && onNewColumns.has(statement)) return true;
    if (settings?.unless?.some((better) => others.has(better))) return true;
    return onNewTables.has(statement) && settings?.onNewTables !== true;
  };
}

/** Postgres evaluates a stable default once for all existing rows. Our own rule covers identity and generated columns. */
function hasStableDefaults(node: Node): boolean {
  const defaults = definedColumns(node).flatMap(({ added, defaultValue }) =>
    added && defaultValue !== undefined ? [defaultValue] : [],
  );
  // Squawk judges constants itself: it knows since which version they are instant.
  return defaults.some((value) => !("A_Const" in value)) && defaults.every(isStable);
}

/** Squawk takes serial columns for columns without a value. */
function hasValues(node: Node): boolean {
  const required = definedColumns(node).filter(
    ({ added, definition, defaultValue }) => added && defaultValue === undefined && isRequired(definition),
  );
  return required.length > 0 && required.every(({ definition }) => rewritesWhenAdded(definition));
}

const OF_COLUMNS = ["ban-drop-column", "renaming-column"];

/** Whether the columns that a statement drops or renames were all created by the migration. */
function isAboutNewColumns(node: Node, created: readonly Created[]): boolean {
  const dropped = droppedBy(node).filter(({ kind }) => kind === "column");
  const renamed = renamedColumn(node);
  const columns = renamed === undefined ? dropped : [renamed];
  const isNewColumn = ({ name, column }: { readonly name: ObjectName; readonly column?: string }) =>
    created.some((one) => one.kind === "column" && one.column === column && isSame(one.name, name));
  return columns.length > 0 && columns.every(isNewColumn);
}

function renamedColumn(node: Node) {
  if (!("RenameStmt" in node) || node.RenameStmt.renameType !== "OBJECT_COLUMN") return undefined;
  const name = nameOf(node.RenameStmt.relation);
  const { subname: column } = node.RenameStmt;
  return name === undefined || column === undefined ? undefined : { name, column };
}

function locksOnlyNew(node: Node, created: readonly Created[]): boolean {
  const tables = lockedTables(node);
  const indexes = droppedBy(node).flatMap(({ kind, name }) => (kind === "index" ? [name] : []));
  const isNewIndex = (index: ObjectName) =>
    created.some(({ kind, name }) => kind === "index" && isSame(name, index));
  if (tables.length + indexes.length === 0) return false;
  return tables.every((table) => isNew(created, table)) && indexes.every(isNewIndex);
}

function toFinding(
  { kind }: LintedMigration,
  { rule_name, message, help }: SquawkComplaint,
  statement: SqlStatement,
  offset: number,
): RuleFinding {
  const rule = SQUAWK_RULES[rule_name];
  const advice = kind === "module" ? rule?.pgm : rule?.help;
  return {
    rule: rule_name,
    // A newer squawk may have rules that are not in our table.
    severity: rule?.severity ?? "warning",
    direction: "up",
    message,
    help: advice ?? help ?? `See https://squawkhq.com/docs/${rule_name}`,
    at: positionOf(statement, offset),
  };
}

/** The parser of PostgreSQL has accepted the SQL, so squawk is at fault. */
function notReadable(complaints: readonly SquawkComplaint[]): RuleFinding {
  const reason = complaints.find(({ rule_name }) => rule_name === "syntax-error")?.message ?? "";
  return {
    rule: "not-linted",
    severity: "warning",
    direction: "up",
    message: `squawk cannot read its SQL, which is valid: ${reason}`,
    help: "Our own rules were applied. A newer squawk-cli may know this syntax.",
  };
}

/** `Map.groupBy`, which Node 20 lacks. */
function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
