import {
  AMPERSAND,
  COLON,
  DOLLAR,
  DOT,
  DOUBLE_QUOTE,
  EQUALS,
  isDigit,
  isIdentifierPart,
  isIdentifierStart,
  isNonStandardOperatorPart,
  isOperatorPart,
  isPunctuation,
  isSpace,
  LOWER_BIT,
  MINUS,
  PLUS,
  QUOTE,
  skip,
} from "./characters.ts";
import {
  blockCommentEnd,
  dollarQuoteEnd,
  isBlockCommentStart,
  isLineCommentStart,
  lineCommentEnd,
  numberEnd,
  quotedIdentifierEnd,
  type StringStyle,
  stringEnd,
} from "./token-ends.ts";

/**
 * `word`: an unquoted identifier or keyword. `quoted`: "..." and U&"...". `string`: any literal in quotes including
 * its prefix and continuation lines, or in dollar quotes. `other`: characters that PostgreSQL rejects.
 */
export type TokenKind =
  | "comment"
  | "word"
  | "quoted"
  | "string"
  | "number"
  | "param"
  | "operator"
  | "punctuation"
  | "other";

/** The position of a token in UTF-16 code units; `end` is exclusive. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

/**
 * Tokenizes SQL like the scanner of PostgreSQL 15 to 18 with `standard_conforming_strings` on. White space is left
 * out, comments are included. Never throws: an unterminated token extends to the end. Runs in linear time.
 *
 * Two deliberate differences: N'...' is one token (PostgreSQL gives `NCHAR` and a literal, but `N '...'`, with
 * white space, is a cast to a type `n`), and a number includes letters directly after it (an error in PostgreSQL).
 */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  scan(sql, (token) => tokens.push(token));
  return tokens;
}

/** Like `tokenize`, but keeps nothing: the tokens of a large text take many times its size. */
export function scan(sql: string, visit: (token: Token) => void): void {
  let at = skip(sql, 0, isSpace);
  while (at < sql.length) at = skip(sql, readToken(sql, at, visit), isSpace);
}

/** Whether a token is this keyword, written in lower-case ASCII. A quoted identifier is not a keyword. */
export function isKeyword(sql: string, token: Token | undefined, keyword: string): boolean {
  if (token?.kind !== "word" || token.end - token.start !== keyword.length) return false;
  for (let index = 0; index < keyword.length; index++) {
    // toLowerCase() would turn the Kelvin sign into a `k`; PostgreSQL does not.
    if ((sql.charCodeAt(token.start + index) | LOWER_BIT) !== keyword.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether the tokens starting at index `from` are these keywords. */
export function hasWords(
  sql: string,
  tokens: readonly Token[],
  from: number,
  words: readonly string[],
): boolean {
  return words.every((word, index) => isKeyword(sql, tokens[from + index], word));
}

/** Whether a token is this punctuation character. */
export function isMark(sql: string, token: Token, mark: string): boolean {
  return token.kind === "punctuation" && token.end - token.start === 1 && sql[token.start] === mark;
}

/** Visits the token at `at` (a run of operators may be several tokens) and returns its end. */
function readToken(sql: string, at: number, visit: (token: Token) => void): number {
  const code = sql.charCodeAt(at);
  if (isOperatorPart(code) && !isCommentStart(sql, at)) return readOperators(sql, at, visit);
  const token = oneToken(sql, at, code);
  visit(token);
  return token.end;
}

function oneToken(sql: string, start: number, code: number): Token {
  if (isIdentifierStart(code)) return wordOrLiteral(sql, start, code);
  if (code === QUOTE) return { kind: "string", start, end: stringEnd(sql, start, "standard") };
  if (code === DOUBLE_QUOTE) return { kind: "quoted", start, end: quotedIdentifierEnd(sql, start) };
  if (isLineCommentStart(sql, start)) return { kind: "comment", start, end: lineCommentEnd(sql, start) };
  if (isBlockCommentStart(sql, start)) return { kind: "comment", start, end: blockCommentEnd(sql, start) };
  const next = sql.charCodeAt(start + 1);
  if (isDigit(code) || (code === DOT && isDigit(next))) {
    return { kind: "number", start, end: numberEnd(sql, start) };
  }
  if (code === DOLLAR) return dollar(sql, start, next);
  if (!isPunctuation(code)) return { kind: "other", start, end: start + 1 };
  const isPair = (code === COLON && (next === COLON || next === EQUALS)) || (code === DOT && next === DOT);
  return { kind: "punctuation", start, end: start + (isPair ? 2 : 1) };
}

function wordOrLiteral(sql: string, start: number, code: number): Token {
  const next = sql.charCodeAt(start + 1);
  if (next === QUOTE) {
    const style = prefixStyle(code);
    if (style !== undefined) return { kind: "string", start, end: stringEnd(sql, start + 1, style) };
  } else if (next === AMPERSAND && (code === 85 || code === 117)) {
    const open = start + 2;
    const quote = sql.charCodeAt(open);
    if (quote === QUOTE) return { kind: "string", start, end: stringEnd(sql, open, "standard") };
    if (quote === DOUBLE_QUOTE) return { kind: "quoted", start, end: quotedIdentifierEnd(sql, open) };
  }
  return { kind: "word", start, end: skip(sql, start + 1, isIdentifierPart) };
}

/** The style of a literal with this prefix; undefined if the letter is not a prefix. */
function prefixStyle(code: number): StringStyle | undefined {
  switch (String.fromCharCode(code)) {
    case "e":
    case "E":
      return "escape";
    case "b":
    case "B":
    case "x":
    case "X":
      return "bits";
    case "n":
    case "N":
      return "standard";
    default:
      return undefined;
  }
}

function dollar(sql: string, start: number, next: number): Token {
  if (isDigit(next)) return { kind: "param", start, end: skip(sql, start + 1, isDigit) };
  const end = dollarQuoteEnd(sql, start);
  return end === undefined ? { kind: "other", start, end: start + 1 } : { kind: "string", start, end };
}

function isCommentStart(sql: string, at: number): boolean {
  return isLineCommentStart(sql, at) || isBlockCommentStart(sql, at);
}

/**
 * Visits a run of operator characters, up to a comment. It is one operator, unless it ends in + or - and contains only
 * characters of standard operators: then each trailing sign is a separate operator. Reading the run only once keeps
 * `+-+-+-...` linear.
 */
function readOperators(sql: string, start: number, visit: (token: Token) => void): number {
  let end = start;
  let keepsSigns = false;
  for (let code = sql.charCodeAt(end); isOperatorPart(code) && !isCommentStart(sql, end); ) {
    keepsSigns ||= isNonStandardOperatorPart(code);
    code = sql.charCodeAt(++end);
  }
  let first = end;
  if (!keepsSigns) while (first > start + 1 && isSign(sql.charCodeAt(first - 1))) first--;
  visit({ kind: "operator", start, end: first });
  for (let at = first; at < end; at++) visit({ kind: "operator", start: at, end: at + 1 });
  return end;
}

function isSign(code: number): boolean {
  return code === PLUS || code === MINUS;
}
