/** A place in a text, for people. */
export interface Location {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units as editors count: what stands before it is `lineText.slice(0, column - 1)`. */
  readonly column: number;
  /** The whole line, without its line break; tabs are as they were. */
  readonly lineText: string;
}

/**
 * Finds the position PostgreSQL reports with an error: a 1-based count of characters (code points) in the text
 * as it was sent. A position outside of the text gives its nearest end ("at end of input" is one past it).
 */
export function locate(text: string, position: number): Location {
  const offset = codeUnitOffset(text, position - 1);
  let line = 1;
  let lineStart = 0;
  for (const lineBreak of text.matchAll(/\r\n|\r|\n/g)) {
    const next = lineBreak.index + lineBreak[0].length;
    if (next > offset) {
      const lineText = text.slice(lineStart, lineBreak.index);
      return { line, column: columnIn(lineText, offset - lineStart), lineText };
    }
    line++;
    lineStart = next;
  }
  const lineText = text.slice(lineStart);
  return { line, column: columnIn(lineText, offset - lineStart), lineText };
}

/** An offset between the two characters of a CRLF counts as the end of its line. */
function columnIn(lineText: string, offset: number): number {
  return Math.min(offset, lineText.length) + 1;
}

/** Where in a text so many characters, as the server counts them, end. */
export function codeUnitOffset(text: string, codePoints: number): number {
  let offset = 0;
  for (let counted = 0; counted < codePoints && offset < text.length; counted++) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  }
  return offset;
}

/** Characters as the server counts them. */
export function codePointLength(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/** How many lines a text has: the line in which it ends. */
export function countLines(text: string): number {
  return 1 + (text.match(/\r\n|\r|\n/g)?.length ?? 0);
}
