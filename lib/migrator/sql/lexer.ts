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
} from "./chars.ts";
import { blockCommentEnd, isBlockCommentStart, isLineCommentStart, lineCommentEnd } from "./comments.ts";
import { numberEnd } from "./numbers.ts";
import { dollarQuoteEnd, quotedIdentifierEnd, type StringStyle, stringEnd } from "./quoted.ts";

/**
 * `word`: an unquoted identifier or keyword. `quoted`: "..." and U&"...". `string`: every kind of literal in
 * quotes, prefix and continuation lines included, and dollar quotes. `other`: what PostgreSQL refuses.
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

/** A token by where it is, in UTF-16 code units; `end` is past its last one. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts SQL into tokens as the scanner of PostgreSQL 15 to 18 does with `standard_conforming_strings` on; white
 * space is left out, comments are in. Never throws: what is not terminated reaches to the end. Time is linear.
 *
 * Two deliberate differences: N'...' is one token (PostgreSQL gives `NCHAR` and a literal, but `N '...'`, with
 * white space, is a cast to a type `n`), and a number includes letters that stick to it (an error there).
 */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  scan(sql, (token) => tokens.push(token));
  return tokens;
}

/** The same, one token after the other: the tokens of a large text take many times its size. */
export function scan(sql: string, visit: (token: Token) => void): void {
  let at = skip(sql, 0, isSpace);
  while (at < sql.length) at = skip(sql, readToken(sql, at, visit), isSpace);
}

/** Whether a token is that keyword, given in small ASCII letters; "quoted" words are none. */
export function isKeyword(sql: string, token: Token | undefined, keyword: string): boolean {
  if (token?.kind !== "word" || token.end - token.start !== keyword.length) return false;
  for (let index = 0; index < keyword.length; index++) {
    // Not toLowerCase(): it would make a `k` of the Kelvin sign, which PostgreSQL leaves alone.
    if ((sql.charCodeAt(token.start + index) | LOWER_BIT) !== keyword.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether the tokens from that one on begin with these keywords. */
export function hasWords(
  sql: string,
  tokens: readonly Token[],
  from: number,
  words: readonly string[],
): boolean {
  return words.every((word, index) => isKeyword(sql, tokens[from + index], word));
}

/** Whether a token is that one punctuation character. */
export function isMark(sql: string, token: Token, mark: string): boolean {
  return token.kind === "punctuation" && token.end - token.start === 1 && sql[token.start] === mark;
}

/** Hands over what starts at `at` (a run of operators is several tokens) and returns where it ends. */
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

/** What the letter right before a quote makes of the literal; undefined when it is no part of it. */
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
 * Hands over a whole run of operator characters, up to a comment. It is one operator, unless it ends in + or - and
 * has only characters of standard operators: then the signs at its end are operators of their own. Reading
 * the run once, rather than once for each of these, is what keeps `+-+-+-...` linear.
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
