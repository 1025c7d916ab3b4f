import type { Node } from "libpg-query";
import { type MaskedSql, maskSql } from "../../migrator/index.ts";
import { type Draft, placeOf } from "./draft.ts";
import { groupBy } from "./group.ts";
import type { ReadMigration } from "./migration.ts";
import { createOffsets } from "./offsets.ts";
import type { ScriptStatement } from "./script.ts";
import type { SquawkComplaint } from "./squawk.ts";
import { SQUAWK_RULES, UNUSED_SQUAWK_RULES } from "./squawk-rules.ts";
import { definedColumns, isStable } from "./tree/columns.ts";
import { type Created, isNew, withCreatedBefore } from "./tree/creates.ts";
import { droppedBy } from "./tree/drops.ts";
import { isSame, type ObjectName } from "./tree/names.ts";
import { lockedTables } from "./tree/targets.ts";

/** The SQL of one migration as squawk is given it, and what each line of it is. */
export interface SquawkScript {
  readonly text: string;
  /** By line, from 0: the statement, and which of its lines it is. */
  readonly lines: readonly (ScriptLine | null)[];
}

interface ScriptLine {
  readonly statement: ScriptStatement;
  /** What squawk is given of the statement: no secret goes into its temporary file. */
  readonly masked: MaskedSql;
  /** Where the line begins in the masked statement. */
  readonly start: number;
  readonly text: string;
}

/**
 * One statement after the other, each from the beginning of a line. A transaction is written around them where there
 * will be one: squawk's flag for that holds for all files of a call.
 */
export function writeSquawkScript({ up }: ReadMigration): SquawkScript | undefined {
  if (up === null || up.broken !== null || up.statements.length === 0) return undefined;
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

/** What squawk says of one migration, as findings. */
export function readComplaints(
  migration: ReadMigration,
  script: SquawkScript,
  complaints: readonly SquawkComplaint[],
  instant: ReadonlySet<ScriptStatement> = new Set(),
): Draft[] {
  if (complaints.some(({ rule_name }) => rule_name === "syntax-error")) return [unreadable(complaints)];
  const placed = complaints.flatMap((complaint) => {
    const line = script.lines[complaint.line];
    return line ? [{ complaint, line }] : [];
  });
  const isUnused = unusedFor(migration, instant);
  return [...groupBy(placed, ({ line }) => line.statement)].flatMap(([statement, said]) => {
    const rules = new Set(said.map(({ complaint }) => complaint.rule_name));
    const used = said.filter(({ complaint }) => !isUnused(complaint.rule_name, statement, rules));
    return used.map(({ complaint, line }) => {
      const offset = line.start + createOffsets(line.text).ofByte(complaint.column);
      return toDraft(migration, complaint, statement, line.masked.toReal(offset));
    });
  });
}

/**
 * Whether a complaint is not to be repeated: by its rule's name, its statement, and what else is said of that.
 * @param instant statements that change types without reading or writing any row
 */
function unusedFor({ up }: ReadMigration, instant: ReadonlySet<ScriptStatement>) {
  const harmless = new Set<ScriptStatement>();
  for (const { statement, created } of withCreatedBefore(up?.statements ?? [])) {
    if (isOnlyOnNew(statement.node, created)) harmless.add(statement);
  }
  return (rule: string, statement: ScriptStatement, others: ReadonlySet<string>): boolean => {
    if (Object.hasOwn(UNUSED_SQUAWK_RULES, rule)) return true;
    const known = SQUAWK_RULES[rule];
    if (rule === "changing-column-type" && instant.has(statement)) return true;
    if (rule === "adding-field-with-default" && hasStableDefaults(statement.node)) return true;
    if (known?.unless?.some((better) => others.has(better))) return true;
    return harmless.has(statement) && known?.onNewTables !== true;
  };
}

/** Postgres evaluates such a default once, for all rows there are. Identity and the like are judged by a rule of ours. */
function hasStableDefaults(node: Node): boolean {
  const defaults = definedColumns(node).flatMap(({ added, defaultValue }) =>
    added && defaultValue !== undefined ? [defaultValue] : [],
  );
  // Of constants squawk knows since which version that is so.
  return defaults.some((value) => !("A_Const" in value)) && defaults.every(isStable);
}

function isOnlyOnNew(node: Node, created: readonly Created[]): boolean {
  const tables = lockedTables(node);
  const indexes = droppedBy(node).flatMap(({ kind, name }) => (kind === "index" ? [name] : []));
  const isOwn = (index: ObjectName) => created.some((one) => one.kind === "index" && isSame(one.name, index));
  if (tables.length + indexes.length === 0) return false;
  return tables.every((table) => isNew(created, table)) && indexes.every(isOwn);
}

function toDraft(
  { kind }: ReadMigration,
  { rule_name, message, help }: SquawkComplaint,
  statement: ScriptStatement,
  offset: number,
): Draft {
  const rule = SQUAWK_RULES[rule_name];
  const advice = kind === "module" ? rule?.pgm : rule?.help;
  return {
    rule: rule_name,
    // A rule that came with a newer squawk.
    severity: rule?.severity ?? "warning",
    direction: "up",
    message,
    help: advice ?? help ?? `See https://squawkhq.com/docs/${rule_name}`,
    at: placeOf(statement, offset),
  };
}

/** PostgreSQL's parser has read it: the fault is squawk's. */
function unreadable(complaints: readonly SquawkComplaint[]): Draft {
  const said = complaints.find(({ rule_name }) => rule_name === "syntax-error")?.message ?? "";
  return {
    rule: "not-linted",
    severity: "warning",
    direction: "up",
    message: `squawk cannot read its SQL, which is valid: ${said}`,
    help: "Our own rules were applied. A newer squawk-cli may know this syntax.",
  };
}
