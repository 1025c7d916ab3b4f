/** One statement group for every kind of object, each with what a careless `down` would leave behind or lose. */
export interface Piece {
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** A wrong down, and what the diff must say about it. */
  readonly wrong: { readonly down: string; readonly shows: readonly string[] };
}

export const piece = (
  name: string,
  up: string,
  down: string,
  wrongDown: string,
  ...shows: string[]
): Piece => ({
  name,
  up,
  down,
  wrong: { down: wrongDown, shows },
});
