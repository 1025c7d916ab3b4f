import type { Node } from "libpg-query";
import { errorCode, MigrationError } from "../../core/index.ts";
import { maskQuoted } from "../../sql/index.ts";

/**
 * The version of squawk-cli that the rules were tested with. Hints name it because newer releases lack binaries for
 * macOS, Windows and arm64.
 */
export const SQUAWK_VERSION = "2.61.0";

export const INSTALL_LINTERS = `Install it: npm install --save-dev squawk-cli@${SQUAWK_VERSION} libpg-query`;

/** Converts positions of other programs to UTF-16 code units. */
export interface Offsets {
  /** From a 0-based count of UTF-8 bytes. */
  ofByte(byte: number): number;
  /** From a 0-based count of code points. */
  ofCharacter(character: number): number;
}

/** Remembers the last position, so that conversions in ascending order read the text once. */
export function createOffsets(text: string): Offsets {
  const isAscii = Buffer.byteLength(text) === text.length;
  if (isAscii) return { ofByte: (byte) => byte, ofCharacter: (character) => character };
  const walk = (widthOf: (codePoint: number) => number) => {
    let [reached, at] = [0, 0];
    return (position: number): number => {
      if (position < reached) [reached, at] = [0, 0];
      while (reached < position && at < text.length) {
        const codePoint = text.codePointAt(at) ?? 0;
        reached += widthOf(codePoint);
        at += codePoint > 0xffff ? 2 : 1;
      }
      return at;
    };
  };
  return { ofByte: walk(bytesOf), ofCharacter: walk(() => 1) };
}

function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** Line and column of an offset, both 1-based; the column in UTF-16 code units. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** A statement and its range in the text, in UTF-16 code units. */
export interface StatementNode {
  readonly node: Node;
  readonly start: number;
  readonly end: number;
}

export interface Comment {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type ParseResult =
  | {
      readonly kind: "statements";
      readonly statements: readonly StatementNode[];
      readonly comments: readonly Comment[];
    }
  | { readonly kind: "error"; readonly message: string; readonly offset: number };

/** The parser of PostgreSQL. */
export interface Parser {
  parse(sql: string): ParseResult;
}

type Library = typeof import("libpg-query");

/** @throws MigrationError `TOOL_MISSING` if libpg-query is not installed */
export async function loadParser(
  load: () => Promise<Library> = () => import("libpg-query"),
): Promise<Parser> {
  const library = await load().catch((cause: unknown) => {
    if (errorCode(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new MigrationError("TOOL_MISSING", "lint needs the package libpg-query, which is not installed", {
      hint: INSTALL_LINTERS,
      cause,
    });
  });
  await library.loadModule();
  return { parse: (sql) => parseWith(library, sql) };
}

function parseWith(library: Library, text: string): ParseResult {
  // The WASM module cannot read lone surrogates, so replace them by a round trip through UTF-8.
  const sql = Buffer.from(text).toString();
  if (sql.trim() === "") return { kind: "statements", statements: [], comments: [] };
  try {
    const offsets = createOffsets(sql);
    const statements = (library.parseSync(sql).stmts ?? []).flatMap((raw) => {
      if (raw.stmt === undefined) return [];
      const byte = raw.stmt_location ?? 0;
      // Ascending order keeps this linear.
      const start = offsets.ofByte(byte);
      const end = raw.stmt_len === undefined ? sql.length : offsets.ofByte(byte + raw.stmt_len);
      return [{ node: raw.stmt, start, end }];
    });
    return { kind: "statements", statements, comments: commentsOf(library, sql) };
  } catch (error) {
    if (!library.hasSqlDetails(error)) throw error;
    const offset = createOffsets(sql).ofCharacter(error.sqlDetails?.cursorPosition ?? 0);
    return { kind: "error", message: error.message, offset };
  }
}

function commentsOf(library: Library, sql: string): Comment[] {
  if (!sql.includes("--") && !sql.includes("/*")) return [];
  const offsets = createOffsets(sql);
  return library.scanSync(sql).tokens.flatMap(({ tokenName, start, end }) => {
    if (tokenName !== "SQL_COMMENT" && tokenName !== "C_COMMENT") return [];
    const range = { start: offsets.ofByte(start), end: offsets.ofByte(end) };
    return [{ ...range, text: sql.slice(range.start, range.end) }];
  });
}

/** One statement that a migration would send. */
export interface SqlStatement {
  readonly node: Node;
  /** The text that contains it, as it would be sent. */
  readonly step: string;
  /** Offset of the statement in `step`. */
  readonly start: number;
  /** The statement with its comments blanked out, so that offsets still match `step`. It may contain secrets. */
  readonly text: string;
}

/** All SQL of one direction of a migration. */
export interface ParsedSql {
  readonly transactional: boolean;
  readonly statements: readonly SqlStatement[];
  /** The text that the parser rejects; `statements` then has only those before it. */
  readonly syntaxError: SqlSyntaxError | null;
}

export interface SqlSyntaxError {
  readonly step: string;
  readonly offset: number;
  readonly message: string;
}

export function parseSteps(parser: Parser, steps: readonly string[], transactional: boolean): ParsedSql {
  const statements: SqlStatement[] = [];
  for (const step of steps) {
    const parsed = parser.parse(step);
    if (parsed.kind === "error") {
      const { offset } = parsed;
      const message = maskQuoted(parsed.message, step);
      return { transactional, statements, syntaxError: { step, offset, message } };
    }
    const plain = blank(step, parsed.comments);
    for (const { node, start, end } of parsed.statements) {
      statements.push({ node, step, start, text: plain.slice(start, end) });
    }
  }
  return { transactional, statements, syntaxError: null };
}

/**
 * Blanks out comments, because squawk's own ignore comments need no reason; ours do. Every character becomes a space, so
 * that offsets stay the same.
 */
function blank(sql: string, spans: readonly { readonly start: number; readonly end: number }[]): string {
  const parts: string[] = [];
  let copied = 0;
  for (const { start, end } of spans) {
    parts.push(sql.slice(copied, start), sql.slice(start, end).replace(/[^\r\n]/g, " "));
    copied = end;
  }
  return parts.join("") + sql.slice(copied);
}
