import * as v from "valibot";

/** What is wrong with data from outside, in one line. It shows no values: one of them may be a secret. */
export function problemsOf(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues.map(problemOf).join("; ");
}

function problemOf(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? "it";
  // valibot reports an unknown key of a strict object as one that must never be there.
  if (issue.type === "strict_object" && issue.expected === "never") return `unknown field "${path}"`;
  if (issue.received === "undefined") return `${path} is missing`;
  if (issue.message.startsWith("must ")) return `${path} ${issue.message}`;
  const expected = issue.expected ?? issue.message;
  return issue.kind === "schema"
    ? `${path} must be ${expected.replace(/^\((.*)\)$/, "$1").replaceAll(" | ", " or ")}`
    : `${path}: ${issue.message}`;
}
