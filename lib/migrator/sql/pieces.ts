/** Characters of a large text that are worked on at a time. */
const PIECE = 65_536;

/** In UTF-16, what the first of the two units of a character begins with. */
const FIRST_HALVES = 0xd800;

/** One text, given in parts, in pieces of about that length: none of them ends within a character. */
export function* piecesOf(texts: readonly string[]): Generator<string> {
  let piece = "";
  for (const text of texts) {
    for (let at = 0; at < text.length; at += PIECE) {
      piece += text.slice(at, at + PIECE);
      if (piece.length < PIECE) continue;
      const isHalf = (piece.charCodeAt(piece.length - 1) & 0xfc00) === FIRST_HALVES;
      const end = isHalf ? piece.length - 1 : piece.length;
      yield piece.slice(0, end);
      piece = piece.slice(end);
    }
  }
  if (piece !== "") yield piece;
}
