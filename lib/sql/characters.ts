/** Character classes of PostgreSQL's scanner (`src/backend/parser/scan.l`), by UTF-16 code unit. */

export const LINE_FEED = 10;
export const CARRIAGE_RETURN = 13;
export const DOUBLE_QUOTE = 34;
export const DOLLAR = 36;
export const AMPERSAND = 38;
export const QUOTE = 39;
export const STAR = 42;
export const PLUS = 43;
export const MINUS = 45;
export const DOT = 46;
export const SLASH = 47;
export const ZERO = 48;
export const COLON = 58;
export const EQUALS = 61;
export const BACKSLASH = 92;
export const UNDERSCORE = 95;

/** Setting this bit lowers an ASCII capital; it turns no other letter into an ASCII one. */
export const LOWER_BIT = 32;

const OPERATOR_CODES: ReadonlySet<number> = codesOf("~!@#^&|`?+-*/%<>=");

/** An operator with one of these characters may end in + or -; without one, `=-` is two operators. */
const NON_STANDARD_CODES: ReadonlySet<number> = codesOf("~!@#^&|`?%");

const PUNCTUATION_CODES: ReadonlySet<number> = codesOf(",;()[].:");

function codesOf(characters: string): ReadonlySet<number> {
  return new Set(Array.from(characters, (character) => character.charCodeAt(0)));
}

/** Space, tab, line feed, vertical tab (allowed since 17, an error before), form feed, carriage return. */
export function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

export function isNewline(code: number): boolean {
  return code === LINE_FEED || code === CARRIAGE_RETURN;
}

export function isDigit(code: number): boolean {
  return code >= ZERO && code <= 57;
}

/** PostgreSQL treats every non-ASCII character as a letter, even a no-break space and a byte order mark. */
export function isIdentifierStart(code: number): boolean {
  const lower = code | LOWER_BIT;
  return (lower >= 97 && lower <= 122) || code === UNDERSCORE || code >= 128;
}

export function isTagPart(code: number): boolean {
  return isIdentifierStart(code) || isDigit(code);
}

export function isIdentifierPart(code: number): boolean {
  return isTagPart(code) || code === DOLLAR;
}

export function isOperatorPart(code: number): boolean {
  return OPERATOR_CODES.has(code);
}

export function isNonStandardOperatorPart(code: number): boolean {
  return NON_STANDARD_CODES.has(code);
}

export function isPunctuation(code: number): boolean {
  return PUNCTUATION_CODES.has(code);
}

/** The first position at or after `at` that is not in the class. Stops at the end, where `charCodeAt` gives NaN. */
export function skip(sql: string, at: number, isOfClass: (code: number) => boolean): number {
  let end = at;
  while (isOfClass(sql.charCodeAt(end))) end++;
  return end;
}
