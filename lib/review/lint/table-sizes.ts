import type { Node } from "libpg-query";
import { describeSize, SMALL_TABLE_BYTES, type TableSize } from "../../core/index.ts";
import { dataChanges } from "./data-changes.ts";
import type { DatabaseFacts } from "./database-facts.ts";
import { droppedBy, isSame, lockedTables, nameOf, type ObjectName, showName } from "./objects.ts";
import type { RuleFinding } from "./report.ts";
import { rewrites } from "./statement-rules.ts";

/** Findings about a duration, told apart by the sizes of the tables. */
export interface SizedFindings {
  readonly findings: readonly RuleFinding[];
  readonly quick: readonly { readonly finding: RuleFinding; readonly reason: string }[];
}

const READ = "all rows are read";
const REWRITE = "the table is rewritten";
const ALL = "ACCESS EXCLUSIVE (nobody reads or writes)";
const WRITERS = "SHARE (nobody writes)";

/** The rules about a duration that grows with the table: the lock that is held meanwhile, and what takes the time. */
const DURATIONS: Readonly<Record<string, readonly [lock: string, work: string]>> = {
  "require-concurrent-index-creation": [WRITERS, "the index is built"],
  "require-concurrent-reindex": [ALL, "the index is built"],
  "adding-foreign-key-constraint": ["SHARE ROW EXCLUSIVE (nobody writes)", READ],
  "constraint-missing-not-valid": [ALL, READ],
  "disallowed-unique-constraint": [ALL, "the index is built"],
  "adding-serial-primary-key-field": [ALL, "the index is built"],
  "adding-not-nullable-field": [ALL, READ],
  "adding-field-with-default": [ALL, REWRITE],
  "changing-column-type": [ALL, REWRITE],
  "adding-column-rewrites-table": [ALL, REWRITE],
  "adding-column-checks-rows": [ALL, READ],
  "rewrites-table": [ALL, REWRITE],
  "prefer-repack": [ALL, REWRITE],
  "refresh-without-concurrently": [ALL, "it is computed"],
  "ddl-with-data": ["the lock on the changed table", "the rows are changed"],
  "update-every-row": ["a lock on each row", "the others are changed"],
};

/** The rules about data that is lost; none is where there are no rows. */
const LOSSES = ["delete-every-row", "ban-truncate-cascade", "adding-required-field"];
/** The rules whose message tells how many rows it is about. */
const TOLD = [...LOSSES, "ban-drop-table", "ban-drop-column"];

/** Says how large the tables are, and sets those findings aside whose tables are empty or small. */
export function bySize(findings: readonly RuleFinding[], facts: DatabaseFacts): SizedFindings {
  const { sizes } = facts;
  if (sizes === undefined) return { findings, quick: [] };
  const kept: RuleFinding[] = [];
  const quick: SizedFindings["quick"][number][] = [];
  for (const finding of findings) {
    const tables = knownTables(finding, facts);
    if (tables === undefined) kept.push(finding);
    else if (isQuick(finding.rule, tables)) quick.push({ finding, reason: describeAll(tables) });
    else kept.push({ ...finding, message: withSizes(finding, tables) });
  }
  return { findings: kept, quick };
}

/** The facts as later statements see them: tables keep their sizes under new names. */
export function afterRenames(facts: DatabaseFacts, nodes: readonly Node[]): DatabaseFacts {
  const { sizes } = facts;
  if (sizes === undefined) return facts;
  return { ...facts, sizes: nodes.reduce(withRenamed, sizes) };
}

function withRenamed(sizes: readonly TableSize[], node: Node): readonly TableSize[] {
  if (!("RenameStmt" in node) || node.RenameStmt.renameType !== "OBJECT_TABLE") return sizes;
  const { relation, newname } = node.RenameStmt;
  const old = nameOf(relation);
  if (old === undefined || newname === undefined) return sizes;
  return [
    ...sizes,
    ...sizes.filter((table) => isSame(table, old)).map((table) => ({ ...table, name: newname })),
  ];
}

/** A table that a finding is about. */
interface SizedTable {
  /** At most. */
  readonly bytes: number;
  /** Its name and size. */
  readonly text: string;
}

function isQuick(rule: string, tables: readonly SizedTable[]): boolean {
  if (LOSSES.includes(rule)) return tables.every(({ bytes }) => bytes === 0);
  return rule in DURATIONS && tables.every(({ bytes }) => bytes <= SMALL_TABLE_BYTES);
}

/** The tables that a finding is about; undefined if it is about no size, or one of them is not known. */
function knownTables({ rule, at }: RuleFinding, facts: DatabaseFacts): readonly SizedTable[] | undefined {
  if (at?.statement === undefined || !(rule in DURATIONS || TOLD.includes(rule))) return undefined;
  const names = tablesOf(at.statement.node, facts);
  const known = names.map((name) => sizeOf(name, facts)).filter((table) => table !== undefined);
  return names.length === 0 || known.length < names.length ? undefined : known;
}

/** Without a schema, a name may stand for tables of several schemas: the largest counts. */
function sizeOf(name: ObjectName, { sizes = [], othersAreSmall }: DatabaseFacts): SizedTable | undefined {
  const [table] = sizes.filter((one) => isSame(one, name)).toSorted((a, b) => b.bytes - a.bytes);
  if (table !== undefined) {
    return { bytes: table.bytes, text: `${showName(table)} has ${describeSize(table)}` };
  }
  return othersAreSmall && { bytes: SMALL_TABLE_BYTES, text: `${showName(name)} has at most 10 MB` };
}

/** The tables whose rows a statement reads or writes, or would have to. */
function tablesOf(node: Node, { indexes }: DatabaseFacts): readonly ObjectName[] {
  if ("ReindexStmt" in node) {
    const name = nameOf(node.ReindexStmt.relation);
    if (name === undefined || node.ReindexStmt.kind !== "REINDEX_OBJECT_INDEX") return listed(name);
    return indexes.filter((index) => isSame(index.name, name)).map(({ table }) => table);
  }
  if ("RefreshMatViewStmt" in node) return listed(nameOf(node.RefreshMatViewStmt.relation));
  const dropped = droppedBy(node).flatMap(({ kind, name }) => (kind === "table" ? [name] : []));
  const changed = dataChanges(node).flatMap(({ tables }) => tables);
  const all = [...lockedTables(node), ...dropped, ...changed, ...(rewrites(node)?.tables ?? [])];
  return all.filter((name, index) => all.findIndex((other) => isSame(other, name)) === index);
}

function listed(name: ObjectName | undefined): ObjectName[] {
  return name === undefined ? [] : [name];
}

function withSizes({ rule, message }: RuleFinding, tables: readonly SizedTable[]): string {
  const [lock, work] = DURATIONS[rule] ?? [];
  const end = /[.!?]$/.test(message) ? "" : ".";
  const meanwhile = lock === undefined ? "" : `: holds ${lock} while ${work}`;
  return `${message}${end} ${describeAll(tables)}${meanwhile}.`;
}

function describeAll(tables: readonly SizedTable[]): string {
  return tables.map(({ text }) => text).join(", ");
}
