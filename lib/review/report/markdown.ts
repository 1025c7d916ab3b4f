import { type Finding, type HistoryRow, type MeasuredMigration, measuredFacts } from "../../core/index.ts";
import type { ObjectChange } from "../catalog/index.ts";
import type { LintFinding } from "../lint/index.ts";
import type { Diagram } from "./diagram.ts";
import { code, details, document, fenced, prose, table } from "./markdown-text.ts";
import { renderMermaid } from "./mermaid.ts";
import {
  isAboutLocks,
  type MigrationReport,
  omittedNote,
  type ReportedMigration,
  scratchOf,
  summaryOf,
  titleOf,
  traitsOf,
} from "./model.ts";

/** The report for a pull request: GitHub draws its diagrams. The same for the same report. */
export function renderMarkdown(report: MigrationReport): string {
  return document([`# ${prose(titleOf(report))}`, overview(report), ...bodyOf(report)]);
}

/** All but the title and the overview. */
export function bodyOf(report: MigrationReport): string[] {
  return [
    ...findingsOfChecks(report),
    ...report.pending.flatMap(migrationSection),
    ...schemaSection(report),
    ...historySection(report.history),
  ];
}

function overview(report: MigrationReport): string {
  const { subject, head, digest, pending, notLinted } = report;
  const place =
    subject.kind === "database"
      ? `Database ${code(subject.database)} on ${code(subject.host)} as ${code(subject.user)}`
      : `The folder ${code(subject.folder)} on ${scratchOf(subject, report)}`;
  const at = head === null ? "no migration is applied yet" : `head is ${code(head)}`;
  return [
    `**${summaryOf(report).join(", ")}**`,
    `${place}; ${at}.${notLinted === undefined ? "" : ` Not linted: ${prose(notLinted)}`}`,
    ...(digest === null || pending.length === 0 ? [] : [`Digest of the plan: ${code(digest)}`]),
  ].join("\n\n");
}

function findingsOfChecks({ refusals, warnings }: MigrationReport): string[] {
  const lines = (label: string, findings: readonly Finding[]) =>
    findings.map(({ code: errorCode, message }) => `- **${label} ${errorCode}**: ${prose(message)}`);
  const all = [...lines("`up` would refuse:", refusals), ...lines("warning", warnings)];
  return all.length === 0 ? [] : [all.join("\n")];
}

function migrationSection(migration: ReportedMigration, index: number): string[] {
  const { name, sql, changes, findings, measured, problem } = migration;
  const traits = traitsOf(migration).join(" · ");
  return [
    `## ${index + 1}. ${code(name)}`,
    traits,
    problem === undefined ? "" : `> ❌ ${prose(problem)}`,
    changes === undefined ? "" : changes.map(change).join("\n"),
    findings.map(finding).join("\n"),
    measured === undefined ? "" : measuredBlock(measured),
    sql === null ? "Its SQL is not known before it runs." : sqlBlock(sql),
  ];
}

// A bare plus would begin another list.
const SIGNS = { new: "\\+", changed: "~", dropped: "−" } as const;

function change({ kind, name, change: what }: ObjectChange): string {
  return `- ${SIGNS[what]} ${what} ${kind} ${code(name)}`;
}

function finding(one: LintFinding): string {
  const { severity, rule, file, line, message, help } = one;
  const place = line === undefined ? file : `${file}:${line}`;
  const mark = severity === "error" ? "❌" : "⚠️";
  const about = isAboutLocks(one) ? " (lock)" : "";
  return `- ${mark} **${rule}**${about} ${code(place)}: ${prose(message)}\n  ${prose(help)}`;
}

function measuredBlock(measured: MeasuredMigration): string {
  return [
    "Measured on this database, and rolled back:",
    "",
    ...measuredFacts(measured).map((fact) => `- ${prose(fact)}`),
  ].join("\n");
}

function sqlBlock(sql: readonly string[]): string {
  const text = sql.map((part) => part.trim()).join("\n");
  return text === "" ? "No SQL." : fenced("sql", text);
}

function schemaSection({ schema, pending }: MigrationReport): string[] {
  const { before, after, problem } = schema;
  const note = problem === undefined ? [] : [`> ${prose(problem)}`];
  if (after === undefined) return ["## Schema now", ...note, ...diagram(before)];
  if (pending.length === 0) return ["## Schema", ...note, ...diagram(after)];
  const old = before.tables.length === 0 ? [] : [details("Schema before", diagram(before))];
  return ["## Schema after", ...note, ...diagram(after), ...old];
}

function diagram(drawn: Diagram): string[] {
  if (drawn.tables.length === 0) return ["No tables."];
  const note = omittedNote(drawn);
  return [fenced("mermaid", renderMermaid(drawn).trimEnd()), ...(note === undefined ? [] : [note])];
}

function historySection(history: readonly HistoryRow[]): string[] {
  if (history.length === 0) return [];
  const rows = history.map(({ at, action, migration, state, durationMs, actor, errorCode }) => [
    at.slice(0, 16).replace("T", " "),
    action,
    code(migration),
    state === "failed" ? `failed ${errorCode ?? ""}`.trim() : state,
    durationMs === null ? "" : `${Math.round(durationMs)} ms`,
    prose(actor),
  ]);
  const head = ["UTC", "what", "migration", "result", "took", "who"];
  return [details("History, newest first", [table(head, rows)])];
}
