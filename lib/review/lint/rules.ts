import { compareMigrations } from "../../core/index.ts";
import { HOW_TO_DECLARE } from "../../engine/index.ts";
import { ACCESS_RULES } from "./access-rules.ts";
import type { KnownColumn } from "./column-types.ts";
import { ddlWithData, downDropsData } from "./data-rules.ts";
import { knownSql, type LintedMigration } from "./migration.ts";
import { withCreatedBefore } from "./objects.ts";
import { type Problem, positionOf, type RuleFinding } from "./report.ts";
import { STATEMENT_RULES, type StatementRule } from "./statement-rules.ts";
import {
  concurrentlyInTransaction,
  enumValueInTransaction,
  refusedInTransaction,
} from "./transaction-rules.ts";

/** A rule about a migration as a whole, or about its down. */
interface MigrationRule {
  readonly name: string;
  check(migration: LintedMigration, context: RuleContext): Problem[];
}

interface RuleContext {
  /** Name of the newest applied migration. */
  readonly newestApplied: string | null;
  /** A contract may be applied after migrations that come after it. */
  readonly contracts: ReadonlyMap<string, string>;
  /** The columns of the database, before the migrations run. */
  readonly columns: readonly KnownColumn[];
}

/** What squawk does not check, or not as well. */
const MIGRATION_RULES: readonly MigrationRule[] = [
  { name: "not-linted", check: notLinted },
  { name: "syntax-error", check: syntaxError },
  { name: "missing-down", check: missingDown },
  { name: "older-than-applied", check: olderThanApplied },
  { name: "concurrently-in-transaction", check: concurrentlyInTransaction },
  { name: "refused-in-transaction", check: refusedInTransaction },
  { name: "enum-value-in-transaction", check: enumValueInTransaction },
  { name: "ddl-with-data", check: ddlWithData },
  { name: "down-drops-data", check: downDropsData },
  { name: "empty-up", check: emptyUp },
  { name: "empty-down", check: emptyDown },
];

const UP_RULES: readonly StatementRule[] = [...STATEMENT_RULES, ...ACCESS_RULES];

export const OWN_RULE_NAMES: readonly string[] = [
  "cannot-build",
  ...[...MIGRATION_RULES, ...UP_RULES].map(({ name }) => name),
  "useless-ignore",
];

export function applyRules(migration: LintedMigration, context: RuleContext): RuleFinding[] {
  const ofMigration = MIGRATION_RULES.flatMap(({ name, check }) =>
    check(migration, context).map((problem) => ({ rule: name, ...problem })),
  );
  const ofStatements = [
    ...withCreatedBefore(migration.up?.statements ?? [], migration.createdBefore),
  ].flatMap(({ statement, created }) =>
    UP_RULES.flatMap(({ name, severity, check }): RuleFinding[] => {
      const advice = check(statement.node, created);
      if (advice === undefined) return [];
      return [{ rule: name, severity, direction: "up", ...advice, at: positionOf(statement) }];
    }),
  );
  return [...ofMigration, ...ofStatements];
}

/** The SQL depends on what an earlier pending migration creates. */
function notLinted({ up }: LintedMigration): Problem[] {
  if (up !== null) return [];
  return [
    {
      severity: "warning",
      direction: "up",
      message:
        "its SQL is known only after the pending migrations before it have run: it queries the database while it is built",
      help: "Apply them to a scratch database and lint against that.",
    },
  ];
}

/** The parser of PostgreSQL rejects the SQL. The statements after the error are not checked. */
function syntaxError(migration: LintedMigration): Problem[] {
  return knownSql(migration).flatMap(({ direction, sql }): Problem[] => {
    if (sql.syntaxError === null) return [];
    const { step, offset, message } = sql.syntaxError;
    const help = "Correct it; the rest of this migration is judged when it can be read.";
    return [{ severity: "error", direction, message, help, at: { step, offset } }];
  });
}

/** The migration cannot be undone, and the file gives no reason. */
function missingDown({ down, kind }: LintedMigration): Problem[] {
  if (down !== "missing") return [];
  const add = {
    module: "Export a function down(pgm) from it.",
    sql: "Add a section with `-- Down Migration` above it.",
    pair: "Add its .down.sql file.",
  }[kind];
  return [
    {
      severity: "error",
      direction: "down",
      message: "it has no down, and none can be inferred",
      help: `${add} When it cannot be undone, say why: ${HOW_TO_DECLARE}.`,
    },
  ];
}

/** The migration would run after migrations that run after it on a new database. */
function olderThanApplied({ name }: LintedMigration, { newestApplied, contracts }: RuleContext): Problem[] {
  if (newestApplied === null || compareMigrations(name, newestApplied) > 0 || contracts.has(name)) return [];
  return [
    {
      severity: "error",
      direction: "up",
      message: `its timestamp is older than that of ${newestApplied}, which is applied`,
      help: "Rename the file with a newer timestamp. Otherwise databases differ in the order of their migrations.",
    },
  ];
}

/** The up sends nothing. A dynamic migration may have run queries while its SQL was built. */
function emptyUp({ up, dynamic }: LintedMigration): Problem[] {
  if (dynamic || up === null || up.syntaxError !== null || up.statements.length > 0) return [];
  return [
    {
      severity: "warning",
      direction: "up",
      message: "it changes nothing: its up sends no SQL",
      help: "Add SQL before it is applied, or delete the file.",
    },
  ];
}

/** The down sends nothing, so it undoes nothing. An empty up is reported by `empty-up` alone. */
function emptyDown({ up, down, dynamic, isBackfill }: LintedMigration): Problem[] {
  if (dynamic || isBackfill || up === null || up.syntaxError !== null || up.statements.length === 0)
    return [];
  if (typeof down === "string" || down.syntaxError !== null || down.statements.length > 0) return [];
  return [
    {
      severity: "warning",
      direction: "down",
      message: "its down does nothing, so undoing it would change only the history",
      help: 'Undo what the up did, or say why that cannot be done: export const irreversible = "the reason", in SQL the comment -- irreversible: the reason.',
    },
  ];
}
