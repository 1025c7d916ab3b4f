import {
  DOT,
  isDigit,
  isIdentifierPart,
  isIdentifierStart,
  LOWER_BIT,
  MINUS,
  PLUS,
  skip,
  UNDERSCORE,
  ZERO,
} from "./chars.ts";

const LOWER_B = 98;
const LOWER_E = 101;
const LOWER_O = 111;
const LOWER_X = 120;

/**
 * Where the number that starts at `start` ends. Letters that stick to it ("trailing junk after numeric
 * literal", an error from 15 on) are taken as a part of it.
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
  // The second condition is for `1..2`, a range in PL/pgSQL: two integers, and two dots between.
  if (sql.charCodeAt(end) === DOT && sql.charCodeAt(end + 1) !== DOT) {
    end = digitsEnd(sql, end + 1, isDigit, false);
  }
  if ((sql.charCodeAt(end) | LOWER_BIT) !== LOWER_E) return end;
  const sign = sql.charCodeAt(end + 1);
  const exponent = sign === PLUS || sign === MINUS ? end + 2 : end + 1;
  const exponentEnd = digitsEnd(sql, exponent, isDigit, false);
  return exponentEnd > exponent ? exponentEnd : end;
}

/** Digits, with single underscores between them and, after `0x` and the like, one before the first. */
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
