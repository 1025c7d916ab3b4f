import type { Colors } from "../output/printer.ts";
import { clip, wrap } from "../output/width.ts";
import { groupBy } from "./group.ts";
import type { LintFinding, LintReport } from "./report.ts";

export interface TextOptions {
  readonly width: number;
  readonly colors: Colors;
}

const STATEMENT_LINES = 6;

/** A report for people. */
export function renderLint(report: LintReport, options: TextOptions): string {
  const byMigration = groupBy(report.findings, ({ migration }) => migration);
  const blocks = [...byMigration.values()].flatMap((findings) => [...block(findings, options), ""]);
  return `${[...blocks, summary(report, options)].join("\n")}\n`;
}

function block(findings: readonly LintFinding[], options: TextOptions): string[] {
  return [...groupBy(findings, ({ file }) => file)].flatMap(([file, ofFile]) => [
    options.colors.bold(file),
    ...ofFile.flatMap((finding) => describe(finding, options)),
  ]);
}

function describe(finding: LintFinding, { width, colors }: TextOptions): string[] {
  const { severity, rule, line, column, statement, message, help } = finding;
  const mark = severity === "error" ? colors.red(severity) : colors.yellow(severity);
  const place =
    line === undefined ? "" : colors.dim(` at ${line}${column === undefined ? "" : `:${column}`}`);
  const sql = line === undefined && statement !== undefined ? excerpt(statement, width - 6) : [];
  return [
    `  ${mark} ${colors.bold(rule)}${place}`,
    ...wrap(message, width - 4).map((text) => `    ${text}`),
    ...sql.map((text) => `    ${colors.dim("|")} ${text}`),
    ...wrap(help, width - 6).map((text, index) => `    ${index === 0 ? colors.green(">") : " "} ${text}`),
  ];
}

function excerpt(statement: string, width: number): string[] {
  const lines = statement.split(/\r\n|\r|\n/).map((line) => clip(line, width));
  const more = lines.length > STATEMENT_LINES ? [`(${lines.length - STATEMENT_LINES} more lines)`] : [];
  return [...lines.slice(0, STATEMENT_LINES), ...more];
}

function summary(
  { findings, accepted, migrations, all = false }: LintReport,
  { colors }: TextOptions,
): string {
  if (migrations === 0) return `No ${all ? "" : "pending "}migrations: nothing to lint.`;
  const of = count(migrations, all ? "migration" : "pending migration");
  const answered =
    accepted.length === 0 ? "" : ` ${count(accepted.length, "finding")} answered in the files.`;
  if (findings.length === 0) return `${colors.green("No findings")} in ${of}.${answered}`;
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const parts = [
    ...(errors > 0 ? [colors.red(count(errors, "error"))] : []),
    ...(findings.length > errors ? [colors.yellow(count(findings.length - errors, "warning"))] : []),
  ];
  return `${parts.join(" and ")} in ${of}.${answered}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
