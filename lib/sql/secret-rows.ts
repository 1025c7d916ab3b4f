import { ALGORITHM, isSecretKey, isSecretName } from "./secret-text.ts";
import { StatementView, type TokenTable } from "./statement-view.ts";

/** A column that holds the value of a setting, whose name is in another column of the same row. */
export const VALUE_COLUMN = /^(?:.*_)?(?:value|val|setting)$/i;

/** Positions in a list of columns, from 0. */
interface ColumnPositions {
  /** Columns whose name says that they are secret. */
  readonly secret: readonly number[];
  /** Columns that are secret in a row that holds the name of a secret. */
  readonly values: readonly number[];
}

/** Finds the literals that are secret because of their position in a row of values or a list of arguments. */
export class SecretRows extends StatementView {
  readonly #secret: Set<number>;

  /** @param secret gets the indexes of the secret tokens */
  constructor(sql: string, tokens: TokenTable, secret: Set<number>) {
    super(sql, tokens);
    this.#secret = secret;
  }

  maskArguments(open: number, positions: readonly number[]): void {
    this.#row(open + 1, this.closing(open), { secret: positions, values: [] });
  }

  /**
   * Masks the rows that belong to the list of columns that opens there, if it is one.
   * @param opened where each closing parenthesis before it was opened
   * @param namesKey whether the statement holds the name of a secret as a literal
   */
  maskColumnsAt(open: number, opened: ReadonlyMap<number, number>, namesKey: boolean): void {
    const columns = this.#columns(open);
    if (columns === undefined) return;
    const secret = columns.flatMap((name, index) => (isSecretName(name) ? [index] : []));
    const values = columns.flatMap((name, index) => (VALUE_COLUMN.test(name) ? [index] : []));
    if (secret.length === 0 && !(namesKey && values.length > 0)) return;
    this.#rowsAfter(open, opened, { secret, values });
  }

  /** The names of a parenthesized list of names, and nothing else. */
  #columns(open: number): string[] | undefined {
    const names: string[] = [];
    let at = open + 1;
    for (;;) {
      let name = this.name(at);
      while (name !== undefined && this.isMark(at + 1, ".")) {
        at += 2;
        name = this.name(at);
      }
      if (name === undefined) return undefined;
      names.push(name);
      if (this.isMark(at + 1, ")")) return names;
      if (!this.isMark(at + 1, ",")) return undefined;
      at += 2;
    }
  }

  /** Rows follow their list of columns, except that `(VALUES …) AS v(columns)` has them before it. */
  #rowsAfter(open: number, opened: ReadonlyMap<number, number>, columns: ColumnPositions): void {
    let next = this.closing(open) + 1;
    if (this.text(next) === "=" || this.is(next, "in")) {
      next += this.is(next + 1, "row") ? 2 : 1;
      if (this.isMark(next, "(")) this.#rowOrRows(next, columns);
      return;
    }
    const alias = this.is(open - 2, "as") ? open - 3 : open - 2;
    const query = opened.get(alias);
    if (query !== undefined && this.name(open - 1) !== undefined)
      this.#query(query + 1, this.closing(query), columns);
    if (this.is(next, "as")) next += this.is(next + 1, "materialized") ? 2 : 1;
    if (this.isMark(next, "(")) this.#query(next + 1, this.closing(next), columns);
    else this.#query(next, this.tokens.length, columns);
  }

  #rowOrRows(open: number, columns: ColumnPositions): void {
    if (this.is(open + 1, "select", "values")) this.#query(open + 1, this.closing(open), columns);
    else if (this.isMark(open + 1, "(")) this.#groups(open + 1, columns);
    else this.#row(open + 1, this.closing(open), columns);
  }

  /** Rows of VALUES and lists of SELECT, at the depth of `from`. */
  #query(from: number, to: number, columns: ColumnPositions): void {
    for (let index = from; index < to; index++) {
      if (this.isMark(index, ")")) return;
      if (this.isMark(index, "(")) {
        if (this.is(index + 1, "select", "values")) this.#query(index + 1, this.closing(index), columns);
        index = this.closing(index);
      } else if (this.is(index, "values")) {
        index = this.#groups(index + 1, columns) - 1;
      } else if (this.is(index, "select")) {
        this.#row(index + 1, to, columns);
      } else if (this.isMark(index, ";") || this.is(index, "returning", "conflict")) {
        return;
      }
    }
  }

  #groups(from: number, columns: ColumnPositions): number {
    let at = from;
    while (this.isMark(at, "(") || (this.is(at, "row") && this.isMark(at + 1, "("))) {
      const open = this.isMark(at, "(") ? at : at + 1;
      const close = this.#row(open + 1, this.tokens.length, columns);
      if (!this.isMark(close + 1, ",")) return close + 1;
      at = close + 2;
    }
    return at;
  }

  /** Masks the values of one row by their position; returns where it ends. */
  #row(from: number, to: number, columns: ColumnPositions): number {
    const row: { index: number; position: number }[] = [];
    let [depth, position, index] = [0, 0, from];
    let isKeyed = false;
    for (; index < to; index++) {
      const token = this.tokens.at(index);
      if (token?.kind === "string") {
        row.push({ index, position });
        isKeyed ||= columns.values.length > 0 && isSecretKey(this.value(index));
      } else if (token?.kind === "word") {
        if (depth === 0 && this.is(index, "from", "where", "union", "on", "returning")) break;
      } else if (this.isMark(index, "(") || this.isMark(index, "[")) depth++;
      else if (this.isMark(index, ")") || this.isMark(index, "]")) {
        if (--depth < 0) break;
      } else if (depth === 0 && this.isMark(index, ",")) position++;
      else if (depth === 0 && this.isMark(index, ";")) break;
    }
    const positions = isKeyed ? [...columns.secret, ...columns.values] : columns.secret;
    for (const literal of row) {
      if (positions.includes(literal.position) && !ALGORITHM.test(this.value(literal.index)))
        this.#secret.add(literal.index);
    }
    return index;
  }
}
