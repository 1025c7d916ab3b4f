import type { VerifiedMigration, VerifyReport } from "../verify/index.ts";
import { bodyOf } from "./markdown.ts";
import { code, document, fenced, prose, table } from "./markdown-text.ts";
import { countOf, type MigrationReport } from "./model.ts";
import { type DatabaseStatus, type Part, problemsOf, type Review, type ReviewResults } from "./review.ts";

/** The review as a page for the pull request: the verdict and the result of each part, then what will run. */
export function renderReview(review: Review): string {
  const { folder, base, results } = review;
  const title = `# Migrations in ${code(folder)}`;
  if (results === undefined)
    return document([title, `Nothing in this folder differs from commit ${code(base)}.`]);
  return document([
    title,
    verdict(review),
    partsTable(results),
    ...failures(results),
    ...(results.verify?.result?.migrations ?? []).flatMap(verifyFailure),
    ...(results.report.result === undefined ? [] : bodyOf(withVerified(results.report.result, results))),
  ]);
}

/** A down that failed is none, whatever its file says. */
function withVerified(report: MigrationReport, { verify }: ReviewResults): MigrationReport {
  const failed = (verify?.result?.migrations ?? []).filter(({ status }) => status === "failed");
  const names = new Set(failed.map(({ name }) => name));
  const pending = report.pending.map((one) => (names.has(one.name) ? { ...one, down: "no" as const } : one));
  return { ...report, pending };
}

function verdict(review: Review): string {
  const problems = problemsOf(review);
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  const counts = [
    ...(errors > 0 ? [countOf(errors, "error")] : []),
    ...(warnings > 0 ? [countOf(warnings, "warning")] : []),
  ];
  const mark = errors > 0 ? "❌" : warnings > 0 ? "⚠️" : "✅";
  return `${mark} **${counts.length === 0 ? "No problems" : counts.join(" and ")}**, compared with commit ${code(review.base)}`;
}

const SKIPPED = "left out";

function partsTable({ report, verify, status }: ReviewResults): string {
  return table(
    ["part", "result"],
    [
      ["`up`", resultOf(report, upResult)],
      ["`lint`", resultOf(report, lintResult)],
      ["`verify`", verify === undefined ? SKIPPED : resultOf(verify, verifyResult)],
      ...(status === undefined ? [] : [["`status`", resultOf(status, statusResult)]]),
    ],
  );
}

function resultOf<T>(part: Part<T>, describe: (result: T) => string): string {
  return part.failure === undefined ? describe(part.result) : `❌ could not run (${part.failure.code})`;
}

function upResult({ pending, refusals }: MigrationReport): string {
  if (refusals.length > 0) return `❌ would refuse: ${refusals.map((one) => one.code).join(", ")}`;
  const failed = pending.find(({ problem }) => problem !== undefined);
  if (failed !== undefined) return `❌ fails in ${code(failed.name)}`;
  return pending.length === 0 ? "nothing to run" : `runs ${countOf(pending.length, "migration")}`;
}

function lintResult({ pending, notLinted }: MigrationReport): string {
  if (notLinted !== undefined) return "❌ could not run";
  const findings = pending.flatMap((migration) => migration.findings);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  if (findings.length === 0) return "no findings";
  const warnings = findings.length - errors;
  return [
    ...(errors > 0 ? [`❌ ${countOf(errors, "error")}`] : []),
    ...(warnings > 0 ? [`⚠️ ${countOf(warnings, "warning")}`] : []),
  ].join(", ");
}

const VERIFIED = [
  ["failed", "❌ failed"],
  ["unchecked", "❌ not checked"],
  ["reversible", "can be undone"],
  ["irreversible", "declared irreversible"],
  ["empty-down", "with a down that does nothing"],
] as const;

function verifyResult({ migrations }: VerifyReport): string {
  const counts = VERIFIED.flatMap(([status, words]) => {
    const count = migrations.filter((one) => one.status === status).length;
    return count === 0
      ? []
      : [words.startsWith("❌") ? `❌ ${count} ${words.slice(2)}` : `${count} ${words}`];
  });
  return counts.length === 0 ? "no migrations" : counts.join(", ");
}

const NAMES = 5;

function statusResult({ database, counts, head, migrations, refusals }: DatabaseStatus): string {
  const names = migrations.filter(({ state }) => state === "pending").map(({ name }) => code(name));
  const shown = names.length > NAMES ? [...names.slice(0, NAMES), `${names.length - NAMES} more`] : names;
  const parts = [
    `${counts.applied} applied`,
    counts.pending === 0 ? "nothing pending" : `${counts.pending} pending (${shown.join(", ")})`,
    head === null ? "no head" : `head ${code(head)}`,
    ...refusals.map((one) => `❌ \`up\` would refuse: ${one.code}`),
  ];
  return `database ${code(database)}: ${parts.join(", ")}`;
}

/** Where the database is, is not for every reader of a pull request: the message of a failed status stays in the log. */
function failures({ report, verify, status }: ReviewResults): string[] {
  const reasons = [
    ["report", report.failure?.reason],
    ["verify", verify?.failure?.reason],
    ["status", status?.failure && "the log has the reason"],
  ] as const;
  return reasons.flatMap(([part, reason]) =>
    reason === undefined ? [] : [`> ❌ \`${part}\` could not run: ${prose(reason)}`],
  );
}

function verifyFailure({ name, status, diff, error, reason }: VerifiedMigration): string[] {
  if (status === "unchecked" && reason !== undefined)
    return [`> \`verify\` did not check ${code(name)}: ${prose(reason)}`];
  if (status !== "failed") return [];
  const failed = error === undefined ? [] : [`${error.step} failed: ${prose(error.message)}`];
  const hint = error?.hint === undefined || diff !== undefined ? [] : [prose(error.hint)];
  const wanted = error?.step === "up" ? "applied" : "undone";
  return [
    `### ❌ ${code(name)} cannot be ${wanted}`,
    ...failed,
    ...hint,
    ...(diff === undefined ? [] : [fenced("diff", diff.trimEnd())]),
  ];
}
