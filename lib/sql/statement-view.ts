import { isKeyword, isMark, type Token, type TokenKind } from "./lexer.ts";
import { readLiteral } from "./literals.ts";

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
const INITIAL_CAPACITY = 64;

/** Tokens in typed arrays, nine bytes each, so that a statement of many megabytes fits into memory. */
export class TokenTable {
  #kinds = new Uint8Array(INITIAL_CAPACITY);
  #starts = new Uint32Array(INITIAL_CAPACITY);
  #ends = new Uint32Array(INITIAL_CAPACITY);
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

/** Longer literals are treated as data and not searched for names or templates. */
export const MAX_LITERAL_LENGTH = 20_000;

/** Reads the tokens of one statement by index. An index out of range is not an error. */
export class StatementView {
  protected readonly sql: string;
  protected readonly tokens: TokenTable;

  constructor(sql: string, tokens: TokenTable) {
    this.sql = sql;
    this.tokens = tokens;
  }

  protected first(count: number): Token[] {
    return Array.from({ length: count }, (_, index) => this.tokens.at(index)).filter(
      (token) => token !== undefined,
    );
  }

  protected text(index: number): string {
    const token = this.tokens.at(index);
    return token === undefined ? "" : this.sql.slice(token.start, token.end);
  }

  protected kind(index: number): string | undefined {
    return this.tokens.at(index)?.kind;
  }

  protected isMark(index: number, mark: string): boolean {
    const token = this.tokens.at(index);
    return token !== undefined && isMark(this.sql, token, mark);
  }

  protected is(index: number, ...words: string[]): boolean {
    const token = this.tokens.at(index);
    return words.some((word) => isKeyword(this.sql, token, word));
  }

  protected name(index: number): string | undefined {
    const kind = this.kind(index);
    if (kind === "word") return this.text(index);
    return kind === "quoted" ? this.text(index).replace(/^(?:u&)?"|"$/gi, "") : undefined;
  }

  protected value(index: number): string {
    const token = this.tokens.at(index);
    if (token?.kind !== "string" || token.end - token.start > MAX_LITERAL_LENGTH) return "";
    return readLiteral(this.text(index)).value;
  }

  protected slice(from: number, count: number): Token[] {
    const tokens: Token[] = [];
    for (let index = from; index < from + count; index++) {
      const token = this.tokens.at(index);
      if (token !== undefined) tokens.push(token);
    }
    return tokens;
  }

  protected closing(open: number): number {
    let depth = 0;
    for (let index = open; index < this.tokens.length; index++) {
      if (this.isMark(index, "(")) depth++;
      else if (this.isMark(index, ")") && --depth === 0) return index;
    }
    return this.tokens.length;
  }
}
