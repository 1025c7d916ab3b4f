import type { Token, TokenKind } from "./lexer.ts";

const KINDS: readonly TokenKind[] = [
  "comment",
  "word",
  "quoted",
  "string",
  "number",
  "param",
  "operator",
  "punctuation",
  "other",
];
const FIRST_CAPACITY = 64;

/** Tokens in columns: nine bytes for each, so that a statement of megabytes can be looked at as a whole. */
export class TokenTable {
  #kinds = new Uint8Array(FIRST_CAPACITY);
  #starts = new Uint32Array(FIRST_CAPACITY);
  #ends = new Uint32Array(FIRST_CAPACITY);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push({ kind, start, end }: Token): void {
    if (this.#length === this.#kinds.length) this.#grow();
    this.#kinds[this.#length] = KINDS.indexOf(kind);
    this.#starts[this.#length] = start;
    this.#ends[this.#length] = end;
    this.#length += 1;
  }

  at(index: number): Token | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    const [start, end] = [this.#starts[index] ?? 0, this.#ends[index] ?? 0];
    return { kind: KINDS[this.#kinds[index] ?? 0] ?? "other", start, end };
  }

  clear(): void {
    this.#length = 0;
  }

  #grow(): void {
    const capacity = 2 * this.#kinds.length;
    const kinds = new Uint8Array(capacity);
    const [starts, ends] = [new Uint32Array(capacity), new Uint32Array(capacity)];
    kinds.set(this.#kinds);
    starts.set(this.#starts);
    ends.set(this.#ends);
    [this.#kinds, this.#starts, this.#ends] = [kinds, starts, ends];
  }
}
