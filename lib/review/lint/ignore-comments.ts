import type { Migration } from "../../core/index.ts";
import { type Comment, lineAndColumn, type ParseResult, type Parser } from "./parsed-sql.ts";
import type { LintFinding, MigrationFile } from "./report.ts";

type ParsedText = Extract<ParseResult, { readonly kind: "statements" }>;

/** A comment `lint: ignore <rule>: <reason>`. */
export interface IgnoreComment {
  readonly rule: string;
  /** Empty if there is none; the comment then suppresses nothing. */
  readonly reason: string;
  readonly file: string;
  readonly line: number;
  /** The statement that the comment belongs to; undefined for the whole migration. */
  readonly scope: Scope | undefined;
}

/** Lines and columns are 1-based and inclusive. */
export interface Scope {
  readonly firstLine: number;
  readonly lastLine: number;
  readonly lastColumn: number;
}

const IGNORE = /^\s*lint:\s*ignore(?:\s+([\w-]+))?\s*:?\s*(.*?)\s*$/i;

export function readIgnoreComments(
  parser: Parser,
  file: MigrationFile,
  kind: Migration["kind"],
): IgnoreComment[] {
  const lines = kind === "module" ? codeComments(file.text) : sqlComments(parser, file.text);
  return lines.flatMap(({ text, line, scope }) => {
    const [matched, rule = "", reason = ""] = IGNORE.exec(text) ?? [];
    return matched === undefined ? [] : [{ rule, reason, file: file.path, line, scope }];
  });
}

/**
 * Whether a comment applies to a finding. A finding without a line, because it is about the whole migration or about
 * generated SQL, can be ignored from anywhere in the migration.
 */
export function covers({ scope, file }: IgnoreComment, finding: LintFinding): boolean {
  const { line, column = 1 } = finding;
  if (scope === undefined || line === undefined) return true;
  if (finding.file !== file || line < scope.firstLine) return false;
  return line < scope.lastLine || (line === scope.lastLine && column <= scope.lastColumn);
}

interface CommentLine {
  readonly text: string;
  readonly line: number;
  readonly scope: Scope | undefined;
}

const LINE_BREAK = /\r\n|\r|\n/;
const MARK = /^\s*(?:\/\/+|\/\*+|\*|--)/;
/** Lines that may precede a comment about the whole file. */
const IMPORT = /^\s*(?:import\b|["']use strict["']|\}\s*from\b)/;

/**
 * Lines with only a comment, in JavaScript or in SQL inside a template literal; finding other comments would need a
 * parser. A comment applies up to the end of the next statement, or to the whole file if it precedes all code.
 */
function codeComments(source: string): CommentLine[] {
  const lines = source.split(LINE_BREAK);
  const isComment = (text: string): boolean => MARK.test(text) || text.trim() === "";
  const firstCode = lines.findIndex((text) => !isComment(text) && !IMPORT.test(text));
  return lines.flatMap((text, index): CommentLine[] => {
    if (!MARK.test(text)) return [];
    const end = lines.findIndex((line, at) => at > index && !isComment(line) && /;\s*$/.test(line));
    const lastLine = end < 0 ? lines.length : end + 1;
    const scope = { firstLine: index + 1, lastLine, lastColumn: Number.POSITIVE_INFINITY };
    return [{ text: withoutMarks(text), line: index + 1, scope: index < firstCode ? undefined : scope }];
  });
}

/** The comments that the parser reports; if it rejects the SQL, every line that looks like a comment. */
function sqlComments(parser: Parser, sql: string): CommentLine[] {
  const parsed = parser.parse(sql);
  if (parsed.kind === "error") return codeComments(sql).map((comment) => ({ ...comment, scope: undefined }));
  return parsed.comments.flatMap((comment) => {
    const { line } = lineAndColumn(sql, comment.start);
    const scope = scopeOf(sql, comment, parsed);
    return comment.text
      .split(LINE_BREAK)
      .map((part, index) => ({ text: withoutMarks(part), line: line + index, scope }));
  });
}

const SECTION = /^--[\s-]*(?:up|down)\s+migration/i;

/** The statement before the comment on the same line, else the statement around or after it; the whole file at its head. */
function scopeOf(sql: string, comment: Comment, { statements, comments }: ParsedText): Scope | undefined {
  const previous = statements.findLast(({ end }) => end <= comment.start);
  const isBeside = previous !== undefined && !LINE_BREAK.test(sql.slice(previous.end, comment.start));
  const isInSection = comments.some(({ text, start }) => start < comment.start && SECTION.test(text));
  if (previous === undefined && !isInSection && isAboveCode(sql, comment, comments)) return undefined;
  const target = isBeside ? previous : statements.find(({ end }) => end > comment.start);
  const end = lineAndColumn(sql, target?.end ?? comment.end);
  const code = target === undefined ? comment.start : firstCodeOf(sql, target.start, comments);
  return {
    firstLine: lineAndColumn(sql, Math.min(code, comment.start)).line,
    lastLine: end.line,
    lastColumn: end.column,
  };
}

function isAboveCode(sql: string, { start }: Comment, comments: readonly Comment[]): boolean {
  return firstCodeOf(sql, 0, comments) > start;
}

/** Offset of the next character that is neither white space nor in a comment. */
function firstCodeOf(sql: string, from: number, comments: readonly Comment[]): number {
  let at = from;
  for (;;) {
    at += sql.slice(at).search(/\S|$/);
    const comment = comments.find(({ start }) => start === at);
    if (comment === undefined) return at;
    at = comment.end;
  }
}

function withoutMarks(comment: string): string {
  return comment.replace(MARK, "").replace(/\*\/\s*$/, "");
}
