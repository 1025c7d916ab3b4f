import { BACKSLASH, DOUBLE_QUOTE, isNewline, isSpace, isTagPart, QUOTE, skip } from "./chars.ts";
import { isLineCommentStart, lineCommentEnd } from "./comments.ts";

/** What a quote means inside: `''` is a quote in all but bit strings, a backslash escapes only in E''. */
export type StringStyle = "standard" | "escape" | "bits";

/** A gap between two pieces of one literal: from after a closing quote to the next opening one. */
export interface Gap {
  readonly start: number;
  readonly end: number;
}

/** Where the literal whose opening quote is at `open` ends; gaps between its pieces are added to `gaps`. */
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
 * The opening quote of the next piece: pieces of one literal are parted by white space and `--` comments that
 * hold a line break. What is read in vain here is read once more by the caller, no more than that.
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

/** Where the dollar quote that opens at `open` ends, or undefined when that `$` opens none. */
export function dollarQuoteEnd(sql: string, open: number): number | undefined {
  const tagEnd = skip(sql, open + 1, isTagPart);
  if (sql[tagEnd] !== "$") return undefined;
  const delimiter = sql.slice(open, tagEnd + 1);
  const close = sql.indexOf(delimiter, tagEnd + 1);
  return close < 0 ? sql.length : close + delimiter.length;
}
