import type { LintFinding, LintReport } from "./report.ts";

/** Workflow commands: GitHub shows each finding beside the line it is about. */
export function renderGithub(report: LintReport): string {
  return report.findings.map((finding) => `${annotation(finding)}\n`).join("");
}

function annotation({
  severity,
  file,
  line,
  column,
  rule,
  migration,
  message,
  help,
  statement,
}: LintFinding): string {
  const properties = [
    ["file", file],
    ["line", line],
    ["col", column],
    ["title", `${rule} (${migration})`],
  ] as const;
  const given = properties.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${escapeProperty(String(value))}`],
  );
  // Without a line, the reader is not shown the SQL beside it.
  const sql = line === undefined && statement !== undefined ? [statement] : [];
  return `::${severity} ${given.join(",")}::${escapeData([message, ...sql, help].join("\n"))}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
