/**
 * Lint: reports problems of pending migrations, judged by the SQL that they would send. Needs squawk-cli and
 * libpg-query, which are optional and loaded only when a migration is linted.
 */
export { type Evidence, readFacts } from "./database-facts.ts";
export { lintMigrations } from "./lint.ts";
export type { LintRequest } from "./migration.ts";
export type { AcceptedFinding, LintFinding, LintReport, QuickFinding, Severity } from "./report.ts";
