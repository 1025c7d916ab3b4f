import type { ReadMigration } from "./migration.ts";
import { covers, type OptOut } from "./opt-outs.ts";
import type { AcceptedFinding, LintFinding } from "./report.ts";
import { OWN_RULE_NAMES } from "./rules/index.ts";
import { SQUAWK_RULES, UNUSED_SQUAWK_RULES } from "./squawk-rules.ts";

/** The findings that a migration's own comments do not answer, and one for every comment that answers none. */
export function applyOptOuts(
  migration: ReadMigration,
  findings: readonly LintFinding[],
): { findings: LintFinding[]; accepted: AcceptedFinding[] } {
  const { name, optOuts } = migration;
  const valid = optOuts.filter(({ reason }) => reason !== "");
  const answers = (finding: LintFinding) =>
    valid.find((optOut) => optOut.rule === finding.rule && covers(optOut, finding));
  const left = findings.filter((finding) => answers(finding) === undefined);
  const accepted = findings.flatMap((finding) => {
    const answer = answers(finding);
    return answer === undefined ? [] : [{ rule: finding.rule, migration: name, reason: answer.reason }];
  });
  const useless = optOuts.flatMap((optOut) => {
    const message = whyUseless(migration, optOut, findings);
    return message === undefined ? [] : [uselessIgnore(migration, optOut, message)];
  });
  return { findings: [...left, ...useless], accepted };
}

function whyUseless(
  migration: ReadMigration,
  optOut: OptOut,
  findings: readonly LintFinding[],
): string | undefined {
  const { rule, reason } = optOut;
  if (rule === "") return "it names no rule";
  if (Object.hasOwn(UNUSED_SQUAWK_RULES, rule)) return `${rule} is not used: ${UNUSED_SQUAWK_RULES[rule]}`;
  const isUsed = findings.some((finding) => finding.rule === rule && covers(optOut, finding));
  if (!isUsed && !Object.hasOwn(SQUAWK_RULES, rule) && !OWN_RULE_NAMES.includes(rule))
    return `there is no rule ${rule}`;
  if (reason === "") return "it gives no reason, and so it silences nothing";
  return isUsed || isUncertain(migration, rule, findings) ? undefined : `${rule} finds nothing here`;
}

/** What is found on one database, or when all SQL can be read, need not be found on every one. */
function isUncertain({ up, down }: ReadMigration, rule: string, findings: readonly LintFinding[]): boolean {
  const isUnread = findings.some(
    (finding) => finding.rule === "not-linted" || finding.rule === "syntax-error",
  );
  const isUnknown = up === null || down === "dynamic" || down === "unknown";
  return isUnread || isUnknown || rule === "older-than-applied" || rule === "not-linted";
}

function uselessIgnore({ name, files }: ReadMigration, { file, line }: OptOut, message: string): LintFinding {
  return {
    rule: "useless-ignore",
    severity: "warning",
    migration: name,
    direction: files[0].path === file ? "up" : "down",
    file,
    line,
    message: `this lint comment does nothing: ${message}`,
    help: "Write `lint: ignore <rule>: <reason>`, or take the comment out.",
  };
}
