import { isKeyword, isMark, type Token } from "./lexer.ts";
import { readLiteral } from "./literals.ts";
import type { TokenTable } from "./token-table.ts";

/** Longer literals are data: no name and no template is looked for in them. */
export const LONGEST_LOOKED_AT = 20_000;

/** Questions about the tokens of one statement, by their index; past the end there is nothing. */
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
    if (token?.kind !== "string" || token.end - token.start > LONGEST_LOOKED_AT) return "";
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
