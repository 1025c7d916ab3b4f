import { parseSync, type ScanToken, scanSync } from "libpg-query";
import type { Token } from "../../lib/sql/lexer.ts";

/** A token as both sides can give it: offset in bytes of UTF-8, and text. */
export interface PlainToken {
  readonly start: number;
  readonly text: string;
}

const LITERALS: ReadonlySet<string> = new Set(["SCONST", "BCONST", "XCONST", "USCONST"]);

/**
 * What PostgreSQL's own scanner gives, with N'...' joined; undefined for what it refuses, and where libpg_query
 * is known to differ from the server: to report comments, it was patched not to look over them for the
 * continuation of a literal ('a' --c, line break, 'b').
 */
export function scanned(sql: string): PlainToken[] | undefined {
  const tokens = tryScan(sql);
  if (tokens === undefined) return undefined;
  const bytes = Buffer.from(sql);
  const plain: PlainToken[] = [];
  for (const [index, token] of tokens.entries()) {
    const previous = tokens[index - 1];
    const text = bytes.subarray(token.start, token.end).toString();
    if (token.tokenName === "SQL_COMMENT" && previous !== undefined && isLiteral(previous)) return undefined;
    const last = plain.at(-1);
    if (previous?.end === token.start && isNational(previous) && text.startsWith("'")) {
      plain[plain.length - 1] = { start: last?.start ?? 0, text: `${last?.text}${text}` };
    } else {
      plain.push({ start: token.start, text });
    }
  }
  return plain;
}

function isLiteral(token: ScanToken): boolean {
  return LITERALS.has(token.tokenName) || token.text.endsWith("'");
}

function isNational(token: ScanToken): boolean {
  return token.text === "N" || token.text === "n";
}

/**
 * It reports a refusal by a message that it then fails to read as JSON, so every error is one; but it fails on
 * its own tokens too where they hold a form feed or vertical tab. A blank in their place is as good.
 */
function tryScan(sql: string): ScanToken[] | undefined {
  try {
    return scanSync(sql.replace(/[\f\v]/g, " ")).tokens;
  } catch {
    return undefined;
  }
}

export function plainTokens(sql: string, tokens: readonly Token[]): PlainToken[] {
  return tokens.map(({ start, end }) => ({
    start: Buffer.byteLength(sql.slice(0, start)),
    text: Buffer.from(sql.slice(start, end)).toString(),
  }));
}

/** The statements PostgreSQL's own parser finds, without what stands around them; undefined for refused SQL. */
export function parsed(sql: string): string[] | undefined {
  const statements = tryParse(sql);
  if (statements === undefined) return undefined;
  const bytes = Buffer.from(sql);
  return statements.map(({ stmt_location: start = 0, stmt_len: length }) => {
    const text = bytes.subarray(start, length ? start + length : undefined);
    const tokens = (tryScan(text.toString()) ?? []).filter(
      ({ tokenName }) => !tokenName.endsWith("_COMMENT"),
    );
    return text.subarray(tokens[0]?.start, tokens.at(-1)?.end).toString();
  });
}

function tryParse(sql: string) {
  try {
    return parseSync(sql).stmts ?? [];
  } catch {
    return undefined;
  }
}

/**
 * Halves of surrogate pairs become U+FFFD, as on their way to a server. libpg-query must not be given any: it
 * counts a first half followed by anything as four bytes, and so cuts the text short or long.
 */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
