import type { Migration } from "../../core/index.ts";
import type { MigrationFile } from "./files.ts";
import { lineAndColumn } from "./offsets.ts";
import type { Comment, Parsed, Parser } from "./parser.ts";
import type { LintFinding } from "./report.ts";

type ParsedSql = Extract<Parsed, { readonly kind: "statements" }>;

/** `lint: ignore <rule>: <reason>` in a comment. */
export interface OptOut {
  readonly rule: string;
  /** Empty when none is written: it then silences nothing. */
  readonly reason: string;
  readonly file: string;
  readonly line: number;
  /** The statement that the comment is at; undefined for the whole migration. */
  readonly scope: Scope | undefined;
}

/** Lines and columns from 1, both ends included. */
export interface Scope {
  readonly firstLine: number;
  readonly lastLine: number;
  readonly lastColumn: number;
}

const OPT_OUT = /^\s*lint:\s*ignore(?:\s+([\w-]+))?\s*:?\s*(.*?)\s*$/i;

export function readOptOuts(parser: Parser, file: MigrationFile, kind: Migration["kind"]): OptOut[] {
  const lines = kind === "module" ? codeComments(file.text) : sqlComments(parser, file.text);
  return lines.flatMap(({ text, line, scope }) => {
    const [matched, rule = "", reason = ""] = OPT_OUT.exec(text) ?? [];
    return matched === undefined ? [] : [{ rule, reason, file: file.path, line, scope }];
  });
}

/**
 * Whether a comment is about a finding. What is about the migration as a whole, or stands in no file because the
 * builder has made it, can be answered from everywhere in it.
 */
export function covers({ scope, file }: OptOut, finding: LintFinding): boolean {
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
/** What may stand above a comment that is about the whole file. */
const IMPORT = /^\s*(?:import\b|["']use strict["']|\}\s*from\b)/;

/**
 * Lines that hold nothing but a comment, of JavaScript or of SQL in a template: finding others takes a parser. Each is
 * about what follows up to the end of a statement; one above all code is about the whole file.
 */
function codeComments(source: string): CommentLine[] {
  const lines = source.split(LINE_BREAK);
  const isComment = (text: string): boolean => MARK.test(text) || text.trim() === "";
  const firstCode = lines.findIndex((text) => !isComment(text) && !IMPORT.test(text));
  return lines.flatMap((text, index): CommentLine[] => {
    if (!MARK.test(text)) return [];
    const end = lines.findIndex((one, at) => at > index && !isComment(one) && /;\s*$/.test(one));
    const lastLine = end < 0 ? lines.length : end + 1;
    const scope = { firstLine: index + 1, lastLine, lastColumn: Number.POSITIVE_INFINITY };
    return [{ text: withoutMarks(text), line: index + 1, scope: index < firstCode ? undefined : scope }];
  });
}

/** What the parser takes for comments; with SQL that it refuses, every line that looks like one. */
function sqlComments(parser: Parser, sql: string): CommentLine[] {
  const parsed = parser.parse(sql);
  if (parsed.kind === "error") return codeComments(sql).map((one) => ({ ...one, scope: undefined }));
  return parsed.comments.flatMap((comment) => {
    const { line } = lineAndColumn(sql, comment.start);
    const scope = scopeOf(sql, comment, parsed);
    return comment.text
      .split(LINE_BREAK)
      .map((part, index) => ({ text: withoutMarks(part), line: line + index, scope }));
  });
}

const SECTION = /^--[\s-]*(?:up|down)\s+migration/i;

/** The statement before a comment in the same line, or else the one it is in or above; at the head of the file, all. */
function scopeOf(sql: string, comment: Comment, { statements, comments }: ParsedSql): Scope | undefined {
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

/** Where the next thing stands that is neither blank nor a comment. */
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
