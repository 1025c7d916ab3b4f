/** A position in a text as people count it. */
export interface Location {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units as editors count: the text before it is `lineText.slice(0, column - 1)`. */
  readonly column: number;
  /** The whole line without its line break. */
  readonly lineText: string;
}

/**
 * Converts the position that PostgreSQL reports with an error: a 1-based count of code points in the text that was
 * sent. A position outside the text is clamped to it ("at end of input" is one past the end).
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

/** An offset inside a CRLF counts as the end of the line. */
function columnIn(lineText: string, offset: number): number {
  return Math.min(offset, lineText.length) + 1;
}

/** Converts a number of code points, as the server counts, to an offset. */
export function codeUnitOffset(text: string, codePoints: number): number {
  let offset = 0;
  for (let counted = 0; counted < codePoints && offset < text.length; counted++) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  }
  return offset;
}

/** Length in code points, as the server counts. */
export function codePointLength(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/** Number of lines in a text. */
export function countLines(text: string): number {
  return 1 + (text.match(/\r\n|\r|\n/g)?.length ?? 0);
}
