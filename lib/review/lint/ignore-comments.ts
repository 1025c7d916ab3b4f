import type { Node } from "libpg-query";
import type { Migration } from "../../core/index.ts";
import type { LintedMigration } from "./migration.ts";
import { namesIn } from "./objects.ts";
import { type Comment, lineAndColumn, type ParseResult, type Parser } from "./parsed-sql.ts";
import type { AcceptedFinding, LintFinding, MigrationFile } from "./report.ts";
import { OWN_RULE_NAMES } from "./rules.ts";
import { SQUAWK_RULES, UNUSED_SQUAWK_RULES } from "./squawk-rules.ts";

/** A finding with the statement that it is about. */
export interface LocatedFinding {
  readonly finding: LintFinding;
  /** Undefined if it is about the migration as a whole. */
  readonly node: Node | undefined;
}

/** A comment `lint: ignore <rule>: <reason>`, or one of squawk's, which does nothing. */
interface IgnoreComment extends CommentLine {
  readonly rule: string;
  /** Empty if there is none; the comment then suppresses nothing. */
  readonly reason: string;
  readonly file: MigrationFile;
  readonly isSquawks: boolean;
}

interface CommentLine {
  readonly text: string;
  readonly line: number;
  /** The statement that the comment belongs to. Lines and columns are 1-based and inclusive. */
  readonly scope: Scope;
}

interface Scope {
  readonly firstLine: number;
  readonly lastLine: number;
  readonly lastColumn: number;
}

const IGNORE = /^\s*lint:\s*ignore(?:\s+([\w-]+))?\s*:?\s*(.*?)\s*$/i;
const SQUAWKS = /^\s*squawk-ignore(?:-file)?\b/i;

export function readIgnoreComments(parser: Parser, { files, kind }: LintedMigration): IgnoreComment[] {
  return files.flatMap((file) =>
    commentLines(parser, file, kind).flatMap((comment) => {
      const [matched, rule = "", reason = ""] = IGNORE.exec(comment.text) ?? [];
      const isSquawks = SQUAWKS.test(comment.text);
      return matched === undefined && !isSquawks ? [] : [{ ...comment, rule, reason, file, isSquawks }];
    }),
  );
}

function commentLines(parser: Parser, { text }: MigrationFile, kind: Migration["kind"]): CommentLine[] {
  return kind === "module" ? codeComments(text) : sqlComments(parser, text);
}

const LINE_BREAK = /\r\n|\r|\n/;
const MARK = /^\s*(?:\/\/+|\/\*+|\*|--)/;
const IMPORT = /^\s*(?:import\b|["']use strict["']|\}\s*from\b)/;

/**
 * Lines with only a comment, in JavaScript or in SQL inside a template literal; finding other comments would need a
 * parser. A comment applies up to the end of the next statement.
 */
function codeComments(source: string): CommentLine[] {
  const lines = source.split(LINE_BREAK);
  return lines.flatMap((text, index): CommentLine[] => {
    if (!MARK.test(text)) return [];
    const lastLine = endOfCode(lines, index + 1) + 1;
    const scope = { firstLine: index + 1, lastLine, lastColumn: Number.POSITIVE_INFINITY };
    return [{ text: withoutMarks(text), line: index + 1, scope }];
  });
}

/** Index of the line in which the next statement ends: by a semicolon, or by its last bracket. */
function endOfCode(lines: readonly string[], from: number): number {
  let open = 0;
  for (const [offset, line] of lines.slice(from).entries()) {
    if (MARK.test(line) || line.trim() === "" || IMPORT.test(line)) continue;
    open += (line.match(/[([{]/g)?.length ?? 0) - (line.match(/[)\]}]/g)?.length ?? 0);
    if (/;\s*$/.test(line) || (open <= 0 && /[)\]}]\s*$/.test(line))) return from + offset;
  }
  return lines.length - 1;
}

/** The comments that the parser reports; if it rejects the SQL, every line that looks like a comment. */
function sqlComments(parser: Parser, sql: string): CommentLine[] {
  const parsed = parser.parse(sql);
  if (parsed.kind === "error") return codeComments(sql);
  return parsed.comments.flatMap((comment) => {
    const { line } = lineAndColumn(sql, comment.start);
    const scope = scopeOf(sql, comment, parsed);
    return comment.text
      .split(LINE_BREAK)
      .map((part, index) => ({ text: withoutMarks(part), line: line + index, scope }));
  });
}

type ParsedText = Extract<ParseResult, { readonly kind: "statements" }>;

/** The statement before the comment on the same line, else the statement around or after it. */
function scopeOf(sql: string, comment: Comment, { statements, comments }: ParsedText): Scope {
  const previous = statements.findLast(({ end }) => end <= comment.start);
  const isBeside = previous !== undefined && !LINE_BREAK.test(sql.slice(previous.end, comment.start));
  const target = isBeside ? previous : statements.find(({ end }) => end > comment.start);
  const end = lineAndColumn(sql, target?.end ?? comment.end);
  const code = target === undefined ? comment.start : firstCodeOf(sql, target.start, comments);
  return {
    firstLine: lineAndColumn(sql, Math.min(code, comment.start)).line,
    lastLine: end.line,
    lastColumn: end.column,
  };
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

/** A finding about the whole migration can be answered anywhere in it, one about a statement only at that statement. */
function covers({ scope, file }: IgnoreComment, { finding, node }: LocatedFinding): boolean {
  const { line, column = 1 } = finding;
  if (line === undefined) return node === undefined || isNamedIn(file, scope, node);
  if (finding.file !== file.path || line < scope.firstLine) return false;
  return line < scope.lastLine || (line === scope.lastLine && column <= scope.lastColumn);
}

/**
 * SQL that the builder makes is in no line. It comes from the call that names its table, or from anywhere if the file does
 * not name the table.
 */
function isNamedIn({ text }: MigrationFile, { firstLine, lastLine }: Scope, node: Node): boolean {
  const names = namesIn(node).map(plainName);
  const wordsOf = (code: string) => new Set(code.split(/[^\w$]+/).map(plainName));
  const [inScope, inFile] = [wordsOf(linesOf(text, firstLine, lastLine)), wordsOf(text)];
  return names.some((name) => inScope.has(name)) || !names.some((name) => inFile.has(name));
}

function linesOf(text: string, first: number, last: number): string {
  const lines = text.split(LINE_BREAK).slice(first - 1, last);
  return lines.filter((line) => !MARK.test(line)).join("\n");
}

/** The builder may write `userNames` as `user_names`. */
function plainName(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}

interface Reported {
  readonly findings: readonly LocatedFinding[];
  /** Findings that are left out on this database: comments about them are of use on others. */
  readonly quick: readonly LocatedFinding[];
  /** Names of rules that could not be applied. */
  readonly notApplied: readonly string[];
}

/** Removes the findings that comments of the migration answer, and reports comments that answer none. */
export function applyIgnoreComments(
  migration: LintedMigration,
  comments: readonly IgnoreComment[],
  { findings, quick, notApplied }: Reported,
): { readonly findings: readonly LintFinding[]; readonly accepted: readonly AcceptedFinding[] } {
  const withReason = comments.filter(({ reason }) => reason !== "");
  const answerTo = (located: LocatedFinding) =>
    withReason.find((comment) => comment.rule === located.finding.rule && covers(comment, located));
  const accepted = findings.flatMap((located) => {
    const answer = answerTo(located);
    if (answer === undefined) return [];
    return [{ rule: answer.rule, migration: migration.name, reason: answer.reason }];
  });
  const left = findings.filter((located) => answerTo(located) === undefined);
  const useless = comments.flatMap((comment) => {
    if (notApplied.includes(comment.rule)) return [];
    const message = whyUseless(migration, comment, [...findings, ...quick]);
    return message === undefined ? [] : [uselessIgnore(migration, comment, message)];
  });
  return { findings: [...left.map(({ finding }) => finding), ...useless], accepted };
}

function whyUseless(
  migration: LintedMigration,
  comment: IgnoreComment,
  findings: readonly LocatedFinding[],
): string | undefined {
  const { rule, reason, isSquawks } = comment;
  if (isSquawks) return "it is squawk's, which needs no reason";
  if (rule === "") return "it names no rule";
  if (Object.hasOwn(UNUSED_SQUAWK_RULES, rule)) return `${rule} is not used: ${UNUSED_SQUAWK_RULES[rule]}`;
  const ofRule = findings.filter(({ finding }) => finding.rule === rule);
  const isUsed = ofRule.some((located) => covers(comment, located));
  if (!isUsed && !Object.hasOwn(SQUAWK_RULES, rule) && !OWN_RULE_NAMES.includes(rule))
    return `there is no rule ${rule}`;
  if (reason === "") return "it gives no reason, and so it silences nothing";
  if (isUsed || mayApplyElsewhere(migration, rule, findings)) return undefined;
  const elsewhere = ofRule.length === 0 ? "" : "; it applies to one statement, which it is above or beside";
  return `${rule} finds nothing here${elsewhere}`;
}

/** A rule may apply on another database, or once all SQL can be read. */
function mayApplyElsewhere(
  { up, down }: LintedMigration,
  rule: string,
  findings: readonly LocatedFinding[],
): boolean {
  const isUnread = findings.some(({ finding }) => ["not-linted", "syntax-error"].includes(finding.rule));
  const isUnknown = up === null || down === "dynamic" || down === "unknown";
  return isUnread || isUnknown || rule === "older-than-applied" || rule === "not-linted";
}

function uselessIgnore(
  { name, files }: LintedMigration,
  { file, line }: IgnoreComment,
  message: string,
): LintFinding {
  return {
    rule: "useless-ignore",
    severity: "warning",
    migration: name,
    direction: files[0].path === file.path ? "up" : "down",
    file: file.path,
    line,
    message: `this lint comment does nothing: ${message}`,
    help: "Write `lint: ignore <rule>: <reason>` above the statement, or take the comment out.",
  };
}
