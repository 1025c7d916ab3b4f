/** Positions of other programs in a text → UTF-16 code units, as strings are indexed here. */
export interface Offsets {
  /** From a 0-based count of UTF-8 bytes. */
  ofByte(byte: number): number;
  /** From a 0-based count of code points. */
  ofCharacter(character: number): number;
}

/** What was asked last is remembered: asking in rising order reads the text once. */
export function createOffsets(text: string): Offsets {
  const isAscii = Buffer.byteLength(text) === text.length;
  if (isAscii) return { ofByte: (byte) => byte, ofCharacter: (character) => character };
  const walk = (widthOf: (codePoint: number) => number) => {
    let [reached, at] = [0, 0];
    return (wanted: number): number => {
      if (wanted < reached) [reached, at] = [0, 0];
      while (reached < wanted && at < text.length) {
        const codePoint = text.codePointAt(at) ?? 0;
        reached += widthOf(codePoint);
        at += codePoint > 0xffff ? 2 : 1;
      }
      return at;
    };
  };
  return { ofByte: walk(bytesOf), ofCharacter: walk(() => 1) };
}

function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** Line and column of an offset, both 1-based; the column in UTF-16 code units. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
