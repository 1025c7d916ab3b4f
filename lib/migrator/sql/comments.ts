import { isNewline, MINUS, SLASH, STAR } from "./chars.ts";

export function isLineCommentStart(sql: string, at: number): boolean {
  return sql.charCodeAt(at) === MINUS && sql.charCodeAt(at + 1) === MINUS;
}

export function isBlockCommentStart(sql: string, at: number): boolean {
  return sql.charCodeAt(at) === SLASH && sql.charCodeAt(at + 1) === STAR;
}

/** The line break itself is white space after the comment. */
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
