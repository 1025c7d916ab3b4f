/**
 * Pending migrations → what is wrong with them, by the SQL that they would send. Needs squawk-cli and libpg-query,
 * which are loaded only here and only when they are used.
 */
export { renderGithub } from "./github.ts";
export { lintMigrations } from "./lint.ts";
export { readColumnTypes } from "./live-types.ts";
export type { AcceptedFinding, LintFinding, LintReport, Severity } from "./report.ts";
export type { LintRequest } from "./request.ts";
export { renderLint } from "./text.ts";
