import {
  BACKSLASH,
  DOT,
  DOUBLE_QUOTE,
  isDigit,
  isIdentifierPart,
  isIdentifierStart,
  isNewline,
  isSpace,
  isTagPart,
  LOWER_BIT,
  MINUS,
  PLUS,
  QUOTE,
  SLASH,
  STAR,
  skip,
  UNDERSCORE,
  ZERO,
} from "./characters.ts";

export function isLineCommentStart(sql: string, at: number): boolean {
  return sql.charCodeAt(at) === MINUS && sql.charCodeAt(at + 1) === MINUS;
}

export function isBlockCommentStart(sql: string, at: number): boolean {
  return sql.charCodeAt(at) === SLASH && sql.charCodeAt(at + 1) === STAR;
}

/** The line break is not part of the comment. */
export function lineCommentEnd(sql: string, start: number): number {
  let at = start;
  while (at < sql.length && !isNewline(sql.charCodeAt(at))) at++;
  return at;
}

/** Block comments nest in PostgreSQL. */
export function blockCommentEnd(sql: string, start: number): number {
  let depth = 1;
  let at = start + 2;
  while (at < sql.length) {
    if (isBlockCommentStart(sql, at)) {
      depth++;
      at += 2;
    } else if (sql.charCodeAt(at) === STAR && sql.charCodeAt(at + 1) === SLASH) {
      depth--;
      at += 2;
      if (depth === 0) return at;
    } else {
      at++;
    }
  }
  return sql.length;
}

/** Escapes inside a literal: `''` is a quote except in bit strings; a backslash escapes only in E''. */
export type StringStyle = "standard" | "escape" | "bits";

/** The gap in a literal continued on another line: from after a closing quote to the next opening quote. */
export interface Gap {
  readonly start: number;
  readonly end: number;
}

/** The end of the literal whose opening quote is at `open`. Adds the gaps between its parts to `gaps`. */
export function stringEnd(sql: string, open: number, style: StringStyle, gaps?: Gap[]): number {
  for (let at = open + 1; at < sql.length; at++) {
    const code = sql.charCodeAt(at);
    if (code === BACKSLASH && style === "escape") {
      at++;
    } else if (code === QUOTE) {
      if (style !== "bits" && sql.charCodeAt(at + 1) === QUOTE) {
        at++;
        continue;
      }
      const reopened = continuation(sql, at + 1);
      if (reopened === undefined) return at + 1;
      gaps?.push({ start: at + 1, end: reopened });
      at = reopened;
    }
  }
  return sql.length;
}

/**
 * The opening quote of the next part of a literal: parts are separated by white space and `--` comments with at least
 * one line break. The caller reads skipped text again, but only once, so the time stays linear.
 */
function continuation(sql: string, from: number): number | undefined {
  let at = from;
  let brokenLine = false;
  for (;;) {
    const code = sql.charCodeAt(at);
    if (isSpace(code)) {
      brokenLine ||= isNewline(code);
      at++;
    } else if (isLineCommentStart(sql, at)) {
      at = lineCommentEnd(sql, at);
    } else {
      return brokenLine && code === QUOTE ? at : undefined;
    }
  }
}

export function quotedIdentifierEnd(sql: string, open: number): number {
  let at = sql.indexOf('"', open + 1);
  while (at >= 0 && sql.charCodeAt(at + 1) === DOUBLE_QUOTE) at = sql.indexOf('"', at + 2);
  return at < 0 ? sql.length : at + 1;
}

/** The end of the dollar quote that starts at `open`; undefined if no dollar quote starts there. */
export function dollarQuoteEnd(sql: string, open: number): number | undefined {
  const tagEnd = skip(sql, open + 1, isTagPart);
  if (sql[tagEnd] !== "$") return undefined;
  const delimiter = sql.slice(open, tagEnd + 1);
  const close = sql.indexOf(delimiter, tagEnd + 1);
  return close < 0 ? sql.length : close + delimiter.length;
}

const LOWER_B = 98;
const LOWER_E = 101;
const LOWER_O = 111;
const LOWER_X = 120;

/**
 * The end of the number that starts at `start`. Letters directly after it belong to it ("trailing junk after numeric
 * literal", an error since 15).
 */
export function numberEnd(sql: string, start: number): number {
  const end = radixEnd(sql, start) ?? decimalEnd(sql, start);
  return isIdentifierStart(sql.charCodeAt(end)) ? skip(sql, end, isIdentifierPart) : end;
}

function radixEnd(sql: string, start: number): number | undefined {
  if (sql.charCodeAt(start) !== ZERO) return undefined;
  const isOfRadix = radixDigits(sql.charCodeAt(start + 1) | LOWER_BIT);
  if (isOfRadix === undefined) return undefined;
  const end = digitsEnd(sql, start + 2, isOfRadix, true);
  return end > start + 2 ? end : undefined;
}

function radixDigits(letter: number): ((code: number) => boolean) | undefined {
  if (letter === LOWER_X) return isHexDigit;
  if (letter === LOWER_O) return (code) => code >= ZERO && code < ZERO + 8;
  if (letter === LOWER_B) return (code) => code === ZERO || code === ZERO + 1;
  return undefined;
}

function isHexDigit(code: number): boolean {
  const lower = code | LOWER_BIT;
  return isDigit(code) || (lower >= 97 && lower <= 102);
}

function decimalEnd(sql: string, start: number): number {
  let end = digitsEnd(sql, start, isDigit, false);
  // `1..2` is a range in PL/pgSQL: two integers with two dots between them.
  if (sql.charCodeAt(end) === DOT && sql.charCodeAt(end + 1) !== DOT) {
    end = digitsEnd(sql, end + 1, isDigit, false);
  }
  if ((sql.charCodeAt(end) | LOWER_BIT) !== LOWER_E) return end;
  const sign = sql.charCodeAt(end + 1);
  const exponent = sign === PLUS || sign === MINUS ? end + 2 : end + 1;
  const exponentEnd = digitsEnd(sql, exponent, isDigit, false);
  return exponentEnd > exponent ? exponentEnd : end;
}

/** Digits may have single underscores between them, and after `0x` and similar also one before the first. */
function digitsEnd(
  sql: string,
  start: number,
  isOfRadix: (code: number) => boolean,
  mayStartWithUnderscore: boolean,
): number {
  let end = start;
  for (;;) {
    const code = sql.charCodeAt(end);
    if (isOfRadix(code)) {
      end++;
    } else if (
      code === UNDERSCORE &&
      (end > start || mayStartWithUnderscore) &&
      isOfRadix(sql.charCodeAt(end + 1))
    ) {
      end += 2;
    } else {
      return end;
    }
  }
}
