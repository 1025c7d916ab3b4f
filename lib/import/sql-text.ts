import { isConcurrent, splitStatements } from "../sql/index.ts";

/** The SQL of one direction. */
export interface Section {
  readonly sql: string;
  readonly transactional: boolean;
}

/** @param transactional as the other tool runs it; SQL that Postgres refuses in a transaction never is */
export function section(sql: string, transactional = true): Section {
  return { sql: sql.trim(), transactional: transactional && !mustRunOutside(sql) };
}

/** Statements that Postgres refuses in a transaction block. */
const OUTSIDE_ONLY = /^(?:vacuum|alter\s+system|(?:create|drop)\s+(?:database|tablespace|subscription))\b/i;

function mustRunOutside(sql: string): boolean {
  return splitStatements(sql).some(
    ({ text }) => OUTSIDE_ONLY.test(text.trim()) || (isConcurrent(text) && !/^refresh\b/i.test(text.trim())),
  );
}

/** Statements as one text, each with its semicolon. */
export function joinStatements(statements: readonly string[]): string {
  return statements
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "")
    .map(terminated)
    .join("\n");
}

/** The semicolon goes behind the statement, but not into a comment in its last line. */
function terminated(statement: string): string {
  const lastLine = statement.slice(statement.lastIndexOf("\n") + 1);
  if (lastLine.includes("--")) return `${statement}\n;`;
  return statement.endsWith(";") ? statement : `${statement};`;
}

/** A file with both sections, as this tool reads it. */
export function fileText(up: Section, down: Section | undefined): string {
  const parts = [sectionText("Up", up), ...(down === undefined ? [] : [sectionText("Down", down)])];
  return `${parts.join("\n\n")}\n`;
}

function sectionText(word: "Up" | "Down", { sql, transactional }: Section): string {
  const marker = transactional ? "" : "-- migrate: no-transaction\n";
  return `-- ${word} Migration\n${marker}${sql}`.trimEnd();
}
