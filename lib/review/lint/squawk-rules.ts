import type { Severity } from "./report.ts";

/** How we use a rule of squawk. */
export interface SquawkRule {
  readonly severity: Severity;
  /** Applies also to tables that the same migration creates. No other session uses those yet, so most rules do not. */
  readonly onNewTables?: true;
  /** Rules that report the same problem with better advice; this rule is then dropped. */
  readonly unless?: readonly string[];
  /** Replaces squawk's help. */
  readonly help: string;
  /** The help for migrations that use the builder. */
  readonly pgm: string;
}

const NO_TRANSACTION_PGM = "In a separate migration, with pgm.noTransaction() first:";
const NO_TRANSACTION_SQL = "In a separate migration, with `-- migrate: no-transaction` as its first line";
const VALIDATE = "Check the existing rows in a later migration: ALTER TABLE … VALIDATE CONSTRAINT …";

/**
 * The rules of squawk that are used. `error`: the statement fails on a table with rows, or blocks others for a time that
 * grows with the table. `warning`: it is quick, but running code may depend on what it changes.
 */
export const SQUAWK_RULES: Readonly<Record<string, SquawkRule>> = {
  "require-concurrent-index-creation": {
    severity: "error",
    help: `${NO_TRANSACTION_SQL}: CREATE INDEX CONCURRENTLY …`,
    pgm: `${NO_TRANSACTION_PGM} pgm.createIndex(table, columns, { concurrently: true }).`,
  },
  "require-concurrent-reindex": {
    severity: "error",
    help: `${NO_TRANSACTION_SQL}: REINDEX … CONCURRENTLY …`,
    pgm: `${NO_TRANSACTION_PGM} pgm.sql("REINDEX TABLE CONCURRENTLY …").`,
  },
  "require-concurrent-partition-detach": {
    severity: "error",
    help: `${NO_TRANSACTION_SQL}: ALTER TABLE … DETACH PARTITION … CONCURRENTLY`,
    pgm: `${NO_TRANSACTION_PGM} pgm.sql("ALTER TABLE … DETACH PARTITION … CONCURRENTLY").`,
  },
  "adding-foreign-key-constraint": {
    severity: "error",
    help: `Add it with NOT VALID: new rows are checked at once, and no session is blocked. ${VALIDATE}`,
    pgm: `Use pgm.sql("ALTER TABLE … ADD CONSTRAINT … FOREIGN KEY … NOT VALID"): the builder has no NOT VALID. ${VALIDATE}`,
  },
  "constraint-missing-not-valid": {
    severity: "error",
    unless: [
      "adding-foreign-key-constraint",
      "disallowed-unique-constraint",
      "adding-serial-primary-key-field",
    ],
    help: `Add it with NOT VALID: new rows are checked at once, and no session is blocked. ${VALIDATE}`,
    pgm: `Use pgm.sql("ALTER TABLE … ADD CONSTRAINT … CHECK (…) NOT VALID"): the builder has no NOT VALID. ${VALIDATE}`,
  },
  "disallowed-unique-constraint": {
    severity: "error",
    help: "Create a unique index CONCURRENTLY in a no-transaction migration, then ADD CONSTRAINT … UNIQUE USING INDEX in the next one.",
    pgm: 'Create a unique index first: pgm.createIndex(table, columns, { unique: true, concurrently: true }) after pgm.noTransaction(); in the next migration pgm.sql("ALTER TABLE … ADD CONSTRAINT … UNIQUE USING INDEX …").',
  },
  "adding-serial-primary-key-field": {
    severity: "error",
    help: "Create a unique index CONCURRENTLY in a no-transaction migration, then ADD CONSTRAINT … PRIMARY KEY USING INDEX in the next one.",
    pgm: 'Create a unique index first: pgm.createIndex(table, columns, { unique: true, concurrently: true }) after pgm.noTransaction(); in the next migration pgm.sql("ALTER TABLE … ADD CONSTRAINT … PRIMARY KEY USING INDEX …").',
  },
  "adding-required-field": {
    severity: "error",
    help: "Give it a DEFAULT that is not volatile (such as a constant or now()), or let it be null and fill it first. A table with rows rejects it otherwise.",
    pgm: "Add default: … to the column, or leave notNull out and fill it first. A table with rows rejects it otherwise.",
  },
  "adding-field-with-default": {
    severity: "error",
    help: "The whole table is rewritten. Add the column without the default, SET DEFAULT for new rows, and fill the old ones in batches.",
    pgm: "The whole table is rewritten. Use pgm.addColumn without default, pgm.alterColumn(table, column, { default: … }) for new rows, and fill the old ones in batches.",
  },
  "adding-not-nullable-field": {
    severity: "error",
    help: `The whole table is read under an exclusive lock. First ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, then VALIDATE CONSTRAINT in a later migration; after that SET NOT NULL is instant.`,
    pgm: `The whole table is read under an exclusive lock. First pgm.sql("ALTER TABLE … ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID"), in a later migration pgm.sql("ALTER TABLE … VALIDATE CONSTRAINT …"); after that pgm.alterColumn(…, { notNull: true }) is instant.`,
  },
  "changing-column-type": {
    severity: "error",
    help: "The table is rewritten under an exclusive lock: add a new column, fill it in batches, then swap. Widening (varchar(10) to varchar(20) or text) is instant and not reported where the type of the column is known.",
    pgm: "The table is rewritten under an exclusive lock: pgm.addColumn, fill it in batches, then swap. Widening (varchar(10) to varchar(20) or text) is instant and not reported where the type of the column is known.",
  },
  "ban-alter-domain-with-add-constraint": {
    severity: "error",
    help: "Every table with a column of the domain is read under a lock. Put the constraint on the columns, with NOT VALID.",
    pgm: "Every table with a column of the domain is read under a lock. Put the constraint on the columns, with NOT VALID.",
  },
  "ban-truncate-cascade": {
    severity: "error",
    onNewTables: true,
    help: "Name every table that is to be emptied; CASCADE also empties those that refer to them.",
    pgm: "Name every table that is to be emptied; CASCADE also empties those that refer to them.",
  },
  "ban-drop-database": {
    severity: "error",
    onNewTables: true,
    help: "A migration belongs to one database. Drop another with an administrator's tool.",
    pgm: "A migration belongs to one database. Drop another with an administrator's tool.",
  },
  "ban-uncommitted-transaction": {
    severity: "error",
    onNewTables: true,
    help: "End the transaction with COMMIT, or remove the BEGIN.",
    pgm: "End the transaction with COMMIT, or remove the BEGIN.",
  },
  "prefer-repack": {
    severity: "warning",
    help: "The table is rewritten under an exclusive lock. pg_repack does it while the table is in use.",
    pgm: "The table is rewritten under an exclusive lock. pg_repack does it while the table is in use.",
  },
  "identifier-too-long": {
    severity: "warning",
    onNewTables: true,
    help: "Postgres cuts it at 63 bytes without an error. Give it a shorter name.",
    pgm: "Postgres cuts it at 63 bytes without an error. Give it a shorter one, with the option `name` where the builder made it up.",
  },
  "renaming-column": {
    severity: "warning",
    help: "Code that is still running asks for the old name. Add a column, write both, move the readers, then drop the old one.",
    pgm: "Code that is still running asks for the old name. pgm.addColumn, write both, move the readers, then pgm.dropColumn.",
  },
  "renaming-table": {
    severity: "warning",
    help: "Code that is still running asks for the old name. Leave a view with the old name behind until it is gone.",
    pgm: "Code that is still running asks for the old name. Leave a view behind, pgm.createView(old name, …), until it is gone.",
  },
  "ban-drop-column": {
    severity: "warning",
    help: "Its data is gone, and code that still names it fails. When no running code does, say so in a lint comment.",
    pgm: "Its data is gone, and code that still names it fails. When no running code does, say so in a lint comment.",
  },
  "ban-drop-table": {
    severity: "warning",
    help: "Its data is gone, and code that still names it fails. When no running code does, say so in a lint comment.",
    pgm: "Its data is gone, and code that still names it fails. When no running code does, say so in a lint comment.",
  },
};

/** The rules of squawk that are not used, and why. */
export const UNUSED_SQUAWK_RULES: Readonly<Record<string, string>> = {
  // The engine sets lock_timeout and statement_timeout in every session, and retries lock timeouts.
  "require-timeout-settings": "the engine sets both timeouts",
  "require-lock-timeout": "the engine sets lock_timeout",
  "require-statement-timeout": "the engine sets statement_timeout",
  // A failed migration is rolled back; without a transaction, the engine resumes at the failed statement. IF NOT EXISTS
  // would hide that an existing table differs from the one in the migration.
  "prefer-robust-stmts": "the engine makes migrations repeatable",
  // Types are a choice of the schema; none of these blocks others.
  "prefer-bigint-over-int": "types are yours to choose",
  "prefer-bigint-over-smallint": "types are yours to choose",
  "prefer-identity": "types are yours to choose",
  "prefer-text-field": "types are yours to choose",
  "prefer-timestamp-tz": "types are yours to choose",
  "ban-char-field": "types are yours to choose",
  "ban-create-domain-with-constraint": "types are yours to choose",
  // Quick, and code that never wrote a null never reads one.
  "ban-drop-not-null": "it is quick and breaks nothing by itself",
  // Its lock is as short as that of ADD COLUMN, and the engine bounds the wait for it.
  "require-concurrent-index-deletion": "dropping an index is quick",
  // A new value usually belongs at the end.
  "require-enum-value-ordering": "the end is the usual place",
  // node-pg-migrate leaves the schema to the search path, which the engine sets from --schema.
  "require-table-schema": "the search path is set from --schema",
  // Our rule knows whether the migration runs in a transaction, and covers DROP INDEX, REINDEX and DETACH PARTITION.
  "ban-concurrent-index-creation-in-transaction": "concurrently-in-transaction says it",
  // Misled by the BEGIN and COMMIT that we add for squawk.
  "transaction-nesting": "the engine refuses such a migration",
  // Ignore comments of squawk are not supported, because they need no reason.
  "unused-ignore": "its comments are not used",
};
