import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type {
  Direction,
  DownForecast,
  Forecast,
  Migration,
  MigrationSource,
  PlanStep,
} from "../../core/index.ts";
import type { DatabaseFacts } from "./database-facts.ts";
import type { Created } from "./objects.ts";
import {
  type Comment,
  lineAndColumn,
  type ParsedSql,
  type ParseResult,
  type Parser,
  parseSteps,
} from "./parsed-sql.ts";
import type { LintFinding, MigrationFile } from "./report.ts";

export interface LintRequest {
  /** What the migrations would send. */
  readonly forecast: Forecast;
  /** Whether the forecast includes applied migrations. @default false */
  readonly all?: boolean;
  /** The files are read for their comments and for the lines of findings. */
  readonly folder: Pick<MigrationSource, "entries" | "baselineHeaders" | "contracts"> & {
    readonly dir: string;
  };
  /** Paths in findings are relative to this folder. */
  readonly relativeTo: string;
  /** Reads what the database has. @default - only what the migrations say is known */
  readonly facts?: () => Promise<DatabaseFacts>;
  /** Newest applied migration; null if there is none or if the order does not matter. */
  readonly newestApplied: string | null;
  /** Whether squawk-cli may be missing: then only our own rules are applied. @default - it is required */
  readonly squawk?: "if-installed";
  readonly signal?: AbortSignal;
}

/** A migration with everything that the rules need. */
export interface LintedMigration {
  readonly name: string;
  readonly kind: Migration["kind"];
  /** Of a pair, the up file first; never empty. */
  readonly files: readonly [MigrationFile, ...MigrationFile[]];
  /** Null if its SQL is not known before the migrations before it have run. */
  readonly up: ParsedSql | null;
  /** `irreversible`: the file gives a reason; `missing`: there is no down and no reason. */
  readonly down: ParsedSql | "dynamic" | "irreversible" | "missing" | "unknown";
  /** Whether it queries the database while its SQL is built. */
  readonly dynamic: boolean;
  readonly ignoreComments: readonly IgnoreComment[];
  /** What earlier migrations of the same run create, as far as the database is known to lack it. */
  readonly createdBefore: readonly Created[];
}

export async function readMigration(
  parser: Parser,
  request: LintRequest,
  { step, createdBefore = [] }: { readonly step: PlanStep; readonly createdBefore?: readonly Created[] },
): Promise<LintedMigration> {
  const name = step.migration;
  const entry = request.folder.entries.find((candidate) => candidate.name === name);
  const [first, ...others] = entry === undefined ? [] : await readFiles(request, entry);
  if (entry === undefined || first === undefined) throw new Error(`there is no file of migration ${name}`);
  const files: LintedMigration["files"] = [first, ...others];
  return {
    name,
    kind: entry.kind,
    files,
    up: step.sql === null ? null : parseSteps(parser, step.sql, step.transactional ?? true),
    down: readDown(parser, request.forecast.downs.get(name)),
    dynamic: step.dynamic,
    createdBefore,
    ignoreComments: files.flatMap((file) => readIgnoreComments(parser, file, entry.kind)),
  };
}

export async function readFiles(
  { folder, relativeTo }: Pick<LintRequest, "folder" | "relativeTo">,
  entry: Migration,
): Promise<MigrationFile[]> {
  return Promise.all(
    entry.files.map(async (file) => {
      const path = join(folder.dir, file);
      const text = (await readFile(path, "utf8")).replace(/^\ufeff/, "");
      return { path: relative(relativeTo, path).split(sep).join("/"), text };
    }),
  );
}

function readDown(parser: Parser, down: DownForecast | undefined): LintedMigration["down"] {
  if (down === undefined) return "unknown";
  if (down.kind === "irreversible") return down.reason === undefined ? "missing" : "irreversible";
  return down.kind === "static" ? parseSteps(parser, down.sql, down.transactional) : down.kind;
}

/** The SQL of both directions, as far as it is known. */
export function knownSql({ up, down }: LintedMigration): { direction: Direction; sql: ParsedSql }[] {
  return [
    ...(up === null ? [] : [{ direction: "up" as const, sql: up }]),
    ...(typeof down === "string" ? [] : [{ direction: "down" as const, sql: down }]),
  ];
}

/** The file that contains one direction. */
export function fileOf({ files }: LintedMigration, direction: Direction): MigrationFile {
  const [first, second] = files;
  return direction === "down" ? (second ?? first) : first;
}

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

function readIgnoreComments(parser: Parser, file: MigrationFile, kind: Migration["kind"]): IgnoreComment[] {
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
