import type { Finding, HistoryRow, MeasuredMigration } from "../../core/index.ts";
import type { ObjectChange } from "../catalog/index.ts";
import type { LintFinding } from "../lint/index.ts";
import type { Diagram } from "./diagram.ts";

/** What pending migrations will do, as data. Secrets in its SQL are masked. */
export interface MigrationReport {
  /** A database, or the migrations of a folder on an empty scratch database. */
  readonly subject: ReportSubject;
  /** Newest applied migration. */
  readonly head: string | null;
  /** Of the plan of `up`, by which it can be approved; null if `up` would refuse, or its SQL cannot be built. */
  readonly digest: string | null;
  /** In running order. */
  readonly pending: readonly ReportedMigration[];
  /** Why `up` would refuse, and what it would warn about. */
  readonly refusals: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Why the migrations were not linted; undefined if they were. */
  readonly notLinted: string | undefined;
  readonly schema: ReportedSchema;
  /** Newest first. */
  readonly history: readonly HistoryRow[];
}

export type ReportSubject =
  | { readonly kind: "database"; readonly database: string; readonly host: string; readonly user: string }
  | {
      readonly kind: "folder";
      readonly folder: string;
      /** The commit whose migrations the scratch database had; undefined if it was empty or `after` chose them. */
      readonly base?: string | undefined;
    };

export interface ReportedMigration {
  readonly name: string;
  /** The texts that are sent; null if they are not known. */
  readonly sql: readonly string[] | null;
  /** Why it is only recorded as applied, so that no SQL runs. @default - it runs */
  readonly recorded?: string | undefined;
  /** The migration after which it waits for a release, as a contract: `up` leaves it out. @default - it does not wait */
  readonly waitsAfter?: string | undefined;
  /** Null if it is not known. */
  readonly transactional: boolean | null;
  /** Whether its statement runs in batches. @default - it runs as it is */
  readonly inBatches?: boolean;
  /** Whether the SQL depends on the database and may differ when it runs. */
  readonly dynamic: boolean;
  /** How it is undone. */
  readonly down: "yes" | "no" | "unknown";
  readonly findings: readonly LintFinding[];
  /** What it changed on the scratch database; undefined if it did not run there. */
  readonly changes: readonly ObjectChange[] | undefined;
  /** What it did when it ran on the database and was rolled back. @default - not measured; the findings tell what lint expects */
  readonly measured?: MeasuredMigration | undefined;
  /** Why it cannot be loaded, built or applied. */
  readonly problem: string | undefined;
}

/** The schema before and after. */
export interface ReportedSchema {
  /** With the changes marked; undefined if it could not be made. */
  readonly after: Diagram | undefined;
  readonly before: Diagram;
  /** Why the schema after is not complete. */
  readonly problem: string | undefined;
}

/** The rules about statements that block other sessions. */
const LOCK_RULES =
  /^(?:require-concurrent-.*|adding-(?:foreign-key-constraint|serial-primary-key-field|field-with-default|not-nullable-field|column-rewrites-table)|constraint-missing-not-valid|disallowed-unique-constraint|changing-column-type|ban-alter-domain-with-add-constraint|prefer-repack|rewrites-table|lock-table|refresh-without-concurrently|ddl-with-data)$/;

export function isAboutLocks({ rule }: LintFinding): boolean {
  return LOCK_RULES.test(rule);
}

/** `1 error`, `2 errors`. */
export function countOf(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** What a reader wants to know first, in a few words each. */
export function summaryOf({ pending, notLinted }: MigrationReport): string[] {
  const findings = pending.flatMap((migration) => migration.findings);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const lint =
    notLinted !== undefined
      ? "not linted"
      : findings.length === 0
        ? "no lint findings"
        : [
            ...(errors > 0 ? [countOf(errors, "lint error")] : []),
            ...(findings.length > errors ? [countOf(findings.length - errors, "lint warning")] : []),
          ].join(", ");
  return [
    pending.length === 0 ? "nothing is pending" : countOf(pending.length, "pending migration"),
    ...(pending.length === 0 ? [] : [lint]),
  ];
}

export function titleOf({ subject }: MigrationReport): string {
  return subject.kind === "database"
    ? `Migrations of ${subject.database}`
    : `Migrations in ${subject.folder}`;
}

/** Whether a file is a report or a review, by its title. */
export function isReport(text: string): boolean {
  return (
    /^# Migrations (?:of|in) /.test(text) || /^<!doctype html>.*<title>Migrations (?:of|in) /s.test(text)
  );
}

/** What a report on a folder began with. */
export function scratchOf(
  { base }: Extract<ReportSubject, { kind: "folder" }>,
  { head }: Pick<MigrationReport, "head">,
): string {
  if (base !== undefined) return `a scratch database with the migrations of commit ${base}`;
  return head === null ? "an empty scratch database" : "a scratch database with the migrations before";
}

/** How it runs, in a few words each. */
export function traitsOf(migration: ReportedMigration): string[] {
  const { transactional, inBatches, dynamic, down, recorded, waitsAfter } = migration;
  if (recorded !== undefined) return [`recorded as applied: ${recorded}`];
  if (inBatches) return ["backfill: in batches, each in a transaction"];
  return [
    ...(waitsAfter === undefined ? [] : [`a contract that waits, after ${waitsAfter}: up leaves it out`]),
    ...(transactional === null ? [] : [transactional ? "in a transaction" : "no transaction"]),
    ...(dynamic ? ["dynamic: its SQL may differ when it runs"] : []),
    ...(down === "unknown" ? [] : [down === "yes" ? "can be undone" : "cannot be undone"]),
  ];
}

/** Where a diagram leaves tables out, says so. */
export function omittedNote({ omitted, tables }: Diagram): string | undefined {
  if (omitted === 0) return undefined;
  const isFocused = tables.some(({ change }) => change !== undefined);
  return `${countOf(omitted, "more table")} left out${isFocused ? ": only changed tables and their neighbours are shown" : ""}.`;
}
