import { isConcurrent, splitStatements, transactionControl } from "../sql/index.ts";

/** The SQL of one direction. */
export interface Section {
  readonly sql: string;
  readonly transactional: boolean;
}

/** @param transactional as the other tool runs it; SQL that Postgres refuses in a transaction never is */
export function section(sql: string, transactional = true): Section {
  const isTransactional = transactional && !mustRunOutside(sql);
  return { sql: (isTransactional ? withoutOwnTransaction(sql) : sql).trim(), transactional: isTransactional };
}

/** `BEGIN` and `COMMIT` around all of it would keep the record of the migration out of that transaction. */
function withoutOwnTransaction(sql: string): string {
  const [first, ...others] = splitStatements(sql);
  const last = others.pop();
  if (first === undefined || last === undefined) return sql;
  if (!/^(?:begin|start)(?:\s+(?:work|transaction))?$/i.test(first.text)) return sql;
  if (!/^(?:commit|end)(?:\s+(?:work|transaction))?$/i.test(last.text)) return sql;
  if (others.some(({ text }) => transactionControl(text) !== undefined)) return sql;
  const body = sql.slice(first.end, last.start).replace(/^\s*;/, "").trim();
  return `${sql.slice(0, first.start)}${body}${sql.slice(last.end).replace(/^\s*;/, "")}`;
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

/** Statements that another delimiter ends, at the end of a line, with semicolons. */
export function withSemicolons(sql: string, delimiter: string): string {
  const statements: string[][] = [[]];
  for (const line of sql.split("\n")) {
    const text = line.trimEnd();
    const isEnd = text.toLowerCase().endsWith(delimiter.toLowerCase()) && !text.endsWith("*/");
    statements.at(-1)?.push(isEnd ? text.slice(0, -delimiter.length) : line);
    if (isEnd) statements.push([]);
  }
  return joinStatements(statements.map((lines) => lines.join("\n")));
}

/** A file with both sections, as this tool reads it. Without a way down it says so, which verify asks for. */
export function fileText(up: Section, down: Section | undefined, title: string): string {
  const parts =
    down === undefined
      ? [`-- irreversible: ${title} had no way to undo it\n${sectionText("Up", up)}`]
      : [sectionText("Up", up), sectionText("Down", down)];
  return `${parts.join("\n\n")}\n`;
}

function sectionText(word: "Up" | "Down", { sql, transactional }: Section): string {
  const marker = transactional ? "" : "-- migrate: no-transaction\n";
  return `-- ${word} Migration\n${marker}${sql}`.trimEnd();
}
