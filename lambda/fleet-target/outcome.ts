import {
  errorMessage,
  type Finding,
  given,
  MigrationError,
  type PlanReport,
  type RunReport,
  type StatusReport,
} from "../../lib/core/index.ts";
import { type KnownState, type Outcome, warningsOf } from "../../lib/fleet/index.ts";
import { adviseInFleet, findingsOnAws } from "../runtime/advice.ts";
import { cut } from "../runtime/custom-resource.ts";
import type { Redactor } from "../runtime/redactor.ts";

/** What a command found or did, without the target's name; and its report. */
export interface TargetReport {
  readonly report: object;
  readonly outcome: Omit<Outcome, "target">;
}

/** Bytes. An execution has thousands of outcomes, and hands each on. */
const MESSAGE_BYTES = 500;
const HINT_BYTES = 300;

export function seen(report: StatusReport, redactor: Redactor): TargetReport {
  const { outcome } = unchanged(report);
  return {
    report,
    outcome: { ...outcome, ...warned(report.warnings, redactor), ...refused(report.refusals) },
  };
}

export function unchanged(report: StatusReport): TargetReport {
  const { head, counts, waiting } = report;
  const pending = counts.pending - waiting.length;
  return { report, outcome: { outcome: "done", head, completed: 0, pending } };
}

export function planned(report: PlanReport): TargetReport {
  const { head, steps, refusals } = report;
  const names = steps.map(({ migration }) => migration).join(", ");
  const message = cut(
    steps.length === 0 ? "nothing would run" : `would apply ${steps.length}: ${names}`,
    MESSAGE_BYTES,
  );
  const pending = steps.length;
  return { report, outcome: { outcome: "done", head, completed: 0, pending, message, ...refused(refusals) } };
}

export function changed(report: RunReport, redactor: Redactor): TargetReport {
  const { head, completed, pending, waiting } = report;
  const counts = { completed: completed.length, pending: pending.length - waiting.length };
  return { report, outcome: { outcome: "done", head, ...counts, ...warned(report.warnings, redactor) } };
}

/** They name other sessions and what these run. */
function warned(findings: readonly Finding[], { redact }: Redactor): Pick<Outcome, "warnings"> {
  return warningsOf(findings.map((finding) => ({ ...finding, message: redact(finding.message) })));
}

/** Why `up` would refuse. */
function refused(refusals: readonly Finding[]): Pick<Outcome, "code" | "message"> {
  const [first] = findingsOnAws(refusals);
  return first === undefined ? {} : { code: first.code, message: cut(first.message, MESSAGE_BYTES) };
}

/** What is known of a target after a failure, which reads no more of it. */
export function stateAfter(error: unknown): KnownState {
  if (!(error instanceof MigrationError)) return {};
  const head = error.details.applied?.at(-1);
  return error.details.undone === undefined ? given({ head }) : {};
}

/** The failure with all that a person needs in its message: in which migration, where, and what to do about it. */
export function explained(error: unknown, { redact }: Redactor): Error {
  if (!(error instanceof MigrationError)) return new Error(cut(redact(errorMessage(error)), MESSAGE_BYTES));
  // What the engine throws was advised when it was known how it had logged in.
  const isAdvised = typeof error.details.hint === "string";
  const { message: text, details } = isAdvised ? error : adviseInFleet(error, "secret");
  const { migration, file, line, sqlstate, hint, applied = [] } = details;
  const place = file === undefined || line === undefined ? "" : ` (${file}:${line})`;
  const message = [
    migration === undefined ? "" : `in ${migration}${place}: `,
    cut(redact(text), MESSAGE_BYTES),
    sqlstate === undefined ? "" : ` (SQLSTATE ${sqlstate})`,
    applied.length === 0 ? "" : `. Applied before it, and kept: ${applied.length}`,
    hint === undefined ? "" : `. What to do: ${cut(redact(String(hint)), HINT_BYTES)}`,
  ];
  return new MigrationError(error.code, message.join(""), error.details);
}

/** SQLSTATEs of a server that shuts down, has crashed, is starting, or has no connection left for the moment. */
const PASSING_STATES = ["57P01", "57P02", "57P03", "53300"];

/** Whether the database may be within reach again in a while. */
export function isOutOfReach(error: unknown): boolean {
  if (!(error instanceof MigrationError)) return false;
  const { sqlstate } = error.details;
  if (error.code !== "CONNECTION" && error.code !== "STARTING") return false;
  return sqlstate === undefined || PASSING_STATES.includes(sqlstate);
}

/** What the next slice would find too: the server goes on with a statement of ours, or another session holds the lock. */
export type OthersWork = "background" | "lock";

export function workOf(error: unknown): OthersWork | undefined {
  if (!(error instanceof MigrationError)) return undefined;
  if (error.details.background !== undefined) return "background";
  return error.code === "LOCK_HELD" ? "lock" : undefined;
}
