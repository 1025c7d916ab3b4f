import type { MigrationFile } from "./files.ts";
import { lineAndColumn } from "./offsets.ts";
import type { Parser } from "./parser.ts";
import type { LintedEntry } from "./request.ts";

/** `lint: ignore <rule>: <reason>` in a comment: for the whole migration. */
export interface OptOut {
  readonly rule: string;
  /** Empty when none is written: it then silences nothing. */
  readonly reason: string;
  readonly file: string;
  readonly line: number;
}

const OPT_OUT = /^\s*lint:\s*ignore(?:\s+([\w-]+))?\s*:?\s*(.*?)\s*$/i;

export function readOptOuts(parser: Parser, file: MigrationFile, kind: LintedEntry["kind"]): OptOut[] {
  const lines = kind === "module" ? commentLines(file.text) : sqlCommentLines(parser, file.text);
  return lines.flatMap(({ text, line }) => {
    const [matched, rule = "", reason = ""] = OPT_OUT.exec(text) ?? [];
    return matched === undefined ? [] : [{ rule, reason, file: file.path, line }];
  });
}

interface CommentLine {
  readonly text: string;
  readonly line: number;
}

const LINE_BREAK = /\r\n|\r|\n/;
const MARK = /^\s*(?:\/\/+|\/\*+|\*|--)/;

/** Lines that hold nothing but a comment, of JavaScript or of SQL in a template: finding others takes a parser. */
function commentLines(source: string): CommentLine[] {
  return source.split(LINE_BREAK).flatMap((text, index) => {
    return MARK.test(text) ? [{ text: withoutMarks(text), line: index + 1 }] : [];
  });
}

/** What the parser takes for comments; with SQL that it refuses, every line that looks like one. */
function sqlCommentLines(parser: Parser, sql: string): CommentLine[] {
  const parsed = parser.parse(sql);
  if (parsed.kind === "error") return commentLines(sql);
  return parsed.comments.flatMap(({ text, start }) => {
    const { line } = lineAndColumn(sql, start);
    return text.split(LINE_BREAK).map((part, index) => ({ text: withoutMarks(part), line: line + index }));
  });
}

function withoutMarks(comment: string): string {
  return comment.replace(MARK, "").replace(/\*\/\s*$/, "");
}
