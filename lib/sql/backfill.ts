import { isKeyword, isMark } from "./lexer.ts";
import { splitStatements, statementTokens } from "./split.ts";
import { StatementWords } from "./statement-words.ts";

/** What stands in the statement of a backfill for the condition on the key. */
export const BATCH = ":batch";

/** The statement of a backfill, as far as its text tells. */
export interface BackfillStatement {
  /** Without its semicolon and without comments around it. */
  readonly text: string;
  /** Positions of `:batch` in the text. */
  readonly placeholders: readonly number[];
  /** Its first word, in lower case. */
  readonly verb: string;
  /** What UPDATE changes or DELETE deletes from; undefined for other statements. */
  readonly target: BackfillTarget | undefined;
}

export interface BackfillTarget {
  /** The name of the table as it is written. */
  readonly table: string;
  /** How the statement calls the table: its alias, or its name. */
  readonly alias: string;
  /** The columns that UPDATE sets, as the server reads their names. */
  readonly assigned: readonly string[];
  /** Whether WHERE has another condition beside `:batch`. */
  readonly hasCondition: boolean;
}

/** Reads the statements of a text as statements of a backfill. A backfill has exactly one. */
export function readBackfillStatements(sql: string): BackfillStatement[] {
  const all = statementTokens(sql);
  return splitStatements(sql).map(({ text, start }, index) => {
    const words = new BackfillWords(sql, all[index] ?? []);
    const placeholders = words.placeholders().map((at) => at - start);
    return { text, placeholders, verb: words.first(), target: readTarget(words) };
  });
}

/** The statement with a condition in place of `:batch`. */
export function withCondition({ text, placeholders }: BackfillStatement, condition: string): string {
  const starts = [0, ...placeholders.map((at) => at + BATCH.length)];
  const pieces = starts.map((start, index) => text.slice(start, placeholders[index]));
  return pieces.join(condition);
}

/** The SQL of a backfill with a condition of the same length in place of each `:batch`: SQL that any parser reads. */
export function asPlainSql(sql: string): string {
  const starts = statementTokens(sql).flatMap((tokens) => new BackfillWords(sql, tokens).placeholders());
  return starts.reduce((text, at) => `${text.slice(0, at)} true ${text.slice(at + BATCH.length)}`, sql);
}

/** An identifier as the server reads it: unquoted ones in lower case. */
export function readIdentifier(text: string): string {
  if (text.startsWith('"')) return text.slice(1, -1).replaceAll('""', '"');
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function readTarget(words: BackfillWords): BackfillTarget | undefined {
  const isUpdate = words.take("update");
  if (!isUpdate && !(words.take("delete") && words.take("from"))) return undefined;
  words.take("only");
  const name = words.name();
  const last = name.at(-1);
  if (last === undefined) return undefined;
  words.takeMark("*");
  words.take("as");
  const isEnd = ["set", "using", "where", "returning"].some((word) => words.isAt(word));
  const alias = isEnd ? last : (words.name()[0] ?? last);
  const assigned = isUpdate && words.take("set") ? words.assignments() : [];
  return { table: name.join("."), alias, assigned, hasCondition: words.hasCondition() };
}

class BackfillWords extends StatementWords {
  first(): string {
    return this.textOf(this.tokens[0]).toLowerCase();
  }

  placeholders(): number[] {
    return this.tokens.flatMap((token, index) => (this.#isPlaceholder(index) ? [token.start] : []));
  }

  /** The columns of `SET a = …, (b, c) = …`. Ends behind the last assignment. */
  assignments(): string[] {
    const columns: string[] = [];
    do {
      const isList = this.takeMark("(");
      do {
        const token = this.tokens[this.at];
        if (token !== undefined) columns.push(readIdentifier(this.textOf(token)));
        this.at += 1;
      } while (isList && this.takeMark(","));
      this.takeMark(")");
      this.#skipTo(",", "from", "where", "returning");
    } while (this.takeMark(","));
    return columns;
  }

  /** Whether WHERE has more than `:batch`. A statement without WHERE has its `:batch` in a subquery. */
  hasCondition(): boolean {
    this.#skipTo("where");
    if (!this.take("where")) return true;
    const from = this.at;
    this.#skipTo("returning");
    const all = this.tokens.slice(from, this.at).map((_, index) => from + index);
    return all.some((index) => !this.#isAroundPlaceholder(index));
  }

  /** Skips to one of these words or marks outside of parentheses, or to the end. */
  #skipTo(...ends: readonly string[]): void {
    let depth = 0;
    for (; this.at < this.tokens.length; this.at += 1) {
      const token = this.tokens[this.at];
      const text = this.textOf(token);
      const isEnd = token?.kind === "word" || token?.kind === "punctuation";
      if (depth <= 0 && isEnd && ends.includes(text.toLowerCase())) return;
      if (text === "(" || text === "[") depth += 1;
      if (text === ")" || text === "]") depth -= 1;
    }
  }

  #isAroundPlaceholder(index: number): boolean {
    const text = this.textOf(this.tokens[index]);
    return text === "(" || text === ")" || this.#isPlaceholder(index) || this.#isPlaceholder(index - 1);
  }

  /** `:` with `batch` directly behind it. A cast is `::`, which is another token. */
  #isPlaceholder(index: number): boolean {
    const [colon, word] = [this.tokens[index], this.tokens[index + 1]];
    if (colon === undefined || word === undefined || !isMark(this.sql, colon, ":")) return false;
    return word.start === colon.end && isKeyword(this.sql, word, "batch");
  }
}
