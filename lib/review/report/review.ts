import type { ErrorCode, StatusReport } from "../../core/index.ts";
import type { LintFinding, Severity } from "../lint/index.ts";
import type { VerifiedMigration, VerifyReport } from "../verify/index.ts";
import type { MigrationReport, ReportedMigration } from "./model.ts";

/** What a branch does to a folder of migrations: everything that its reviewer wants to know. */
export interface Review {
  readonly folder: string;
  /** The commit that the folder is compared with. */
  readonly base: string;
  /** Undefined if the folder is as the commit has it: nothing was run then. */
  readonly results: ReviewResults | undefined;
}

/** What was found out, part by part. */
export interface ReviewResults {
  readonly report: Part<MigrationReport>;
  /** Undefined if it was not asked for. */
  readonly verify: Part<VerifyReport> | undefined;
  /** The state of a database. Undefined if none was given. */
  readonly status: Part<DatabaseStatus> | undefined;
}

/** The result of one part, or why there is none. */
export type Part<T> =
  | { readonly result: T; readonly failure?: never }
  | { readonly failure: PartFailure; readonly result?: never };

export interface PartFailure {
  readonly code: ErrorCode;
  /** The message and the hint. */
  readonly reason: string;
}

export interface DatabaseStatus extends Pick<StatusReport, "head" | "counts" | "migrations" | "refusals"> {
  readonly database: string;
}

/** Something that a reviewer has to judge, with its place. */
export interface ReviewProblem {
  readonly severity: Severity;
  /** The rule of lint, the error code or the kind of problem. */
  readonly rule: string;
  readonly message: string;
  readonly help?: string | undefined;
  readonly migration?: string | undefined;
  /** Its file, where a finding of lint says it. */
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** The SQL, where it is in no line of the file. */
  readonly statement?: string | undefined;
}

/** Errors first; within a severity in the order of the parts. */
export function problemsOf({ results }: Review): ReviewProblem[] {
  if (results === undefined) return [];
  const { report, verify, status } = results;
  const isNew = isPendingIn(report);
  const problems = [
    ...(report.failure === undefined
      ? problemsOfReport(report.result)
      : [problemOf("report", report.failure)]),
    ...(verify === undefined
      ? []
      : verify.failure === undefined
        ? verify.result.migrations.flatMap((one) => problemOfVerify(one, isNew))
        : [problemOf("verify", verify.failure)]),
    ...(status === undefined
      ? []
      : status.failure === undefined
        ? problemsOfStatus(status.result)
        : [problemOf("status", { ...status.failure, reason: "the log has the reason" })]),
  ];
  const rank = ({ severity }: ReviewProblem) => (severity === "error" ? 0 : 1);
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

function isPendingIn(report: Part<MigrationReport>): (name: string) => boolean {
  // If there is no report, it is not known which ones the branch adds: then all count.
  if (report.failure !== undefined) return () => true;
  const names = new Set(report.result.pending.map(({ name }) => name));
  return (name) => names.has(name);
}

function problemOf(part: string, { code, reason }: PartFailure): ReviewProblem {
  return { severity: "error", rule: code, message: `${part} could not run: ${reason}` };
}

function problemsOfReport({ refusals, warnings, notLinted, pending }: MigrationReport): ReviewProblem[] {
  return [
    ...refusals.map(({ code, message, migrations }) => ({
      severity: "error" as const,
      rule: code,
      message: `\`up\` would refuse: ${message}`,
      migration: migrations[0],
    })),
    ...warnings.map(({ code, message, migrations }) => ({
      severity: "warning" as const,
      rule: code,
      message,
      migration: migrations[0],
    })),
    ...(notLinted === undefined
      ? []
      : [{ severity: "error" as const, rule: "not-linted", message: `lint could not run: ${notLinted}` }]),
    ...pending.flatMap(problemsOfMigration),
  ];
}

function problemsOfMigration({ name, findings, problem }: ReportedMigration): ReviewProblem[] {
  const failed =
    problem === undefined
      ? []
      : [{ severity: "error" as const, rule: "failed", message: problem, migration: name }];
  return [...failed, ...findings.map(problemOfLint)];
}

function problemOfLint(finding: LintFinding): ReviewProblem {
  const { severity, rule, message, help, migration, file, line, column, statement } = finding;
  return { severity, rule, message, help, migration, file, line, column, statement };
}

/** What the branch does not add is not its fault. */
function problemOfVerify(migration: VerifiedMigration, isNew: (name: string) => boolean): ReviewProblem[] {
  const { name, status, reason, error, diff } = migration;
  const severity = isNew(name) ? "error" : "warning";
  if (status === "failed") {
    const messages = [
      ...(diff === undefined ? [] : ["its down does not bring back the schema that was there before"]),
      ...(error === undefined ? [] : [`${error.step} failed: ${error.message}`]),
    ];
    // What is left behind is the reason, which the hint about the statement does not know.
    const help = diff === undefined ? error?.hint : undefined;
    return [{ severity, rule: "verify", message: messages.join("; "), help, migration: name }];
  }
  if (status !== "unchecked") return [];
  const message = `it was not checked whether it can be undone${reason === undefined ? "" : `: ${reason}`}`;
  return [{ severity, rule: "verify", message, migration: name }];
}

function problemsOfStatus({ database, refusals }: DatabaseStatus): ReviewProblem[] {
  return refusals.map(({ code, message, migrations }) => ({
    severity: "error" as const,
    rule: code,
    message: `\`up\` would refuse on ${database}: ${message}`,
    migration: migrations[0],
  }));
}
