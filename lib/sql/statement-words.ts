import { isKeyword, type Token } from "./lexer.ts";

/** Reads the tokens of one statement from left to right. */
export class StatementWords {
  protected readonly sql: string;
  protected readonly tokens: readonly Token[];
  /** Index of the next token. */
  protected at = 0;

  constructor(sql: string, tokens: readonly Token[]) {
    this.sql = sql;
    this.tokens = tokens;
  }

  isAt(keyword: string): boolean {
    return isKeyword(this.sql, this.tokens[this.at], keyword);
  }

  take(keyword: string): boolean {
    const matches = this.isAt(keyword);
    if (matches) this.at += 1;
    return matches;
  }

  takeMark(mark: string): boolean {
    const matches = this.textOf(this.tokens[this.at]) === mark;
    if (matches) this.at += 1;
    return matches;
  }

  /** The parts of a qualified name as they are written; empty if there is no identifier at this place. */
  name(): string[] {
    const parts: string[] = [];
    do {
      const token = this.tokens[this.at];
      if (token === undefined || (token.kind !== "word" && token.kind !== "quoted")) return [];
      this.at += 1;
      parts.push(this.textOf(token) + this.#escape());
    } while (this.takeMark("."));
    return parts;
  }

  protected textOf(token: Token | undefined): string {
    return token === undefined ? "" : this.sql.slice(token.start, token.end);
  }

  /** The UESCAPE clause after U&"...". */
  #escape(): string {
    const string = this.tokens[this.at + 1];
    if (string === undefined || !this.take("uescape")) return "";
    this.at += 1;
    return ` UESCAPE ${this.textOf(string)}`;
  }
}
