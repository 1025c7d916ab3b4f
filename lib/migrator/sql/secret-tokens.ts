import { hasWords, isKeyword } from "./lexer.ts";
import { isSecretName, SECRET_HINT } from "./secret-names.ts";
import { LONGEST_LOOKED_AT, StatementView } from "./statement-view.ts";
import {
  awaitsSecret,
  isFormatOfSecret,
  isPasswordTemplate,
  isSecretKey,
  looksLikeSql,
  namesSecret,
} from "./templates.ts";
import type { TokenTable } from "./token-table.ts";

/** Keywords that end the expression which belongs to a name. */
const EXPRESSION_ENDS = new Set(
  (
    "where from returning and or then loop on group order union except intersect when else end limit having window " +
    "not null check references unique primary generated collate constraint using set do values select into default"
  ).split(" "),
);

/** Words in front of a parenthesis that call nothing. */
const NO_FUNCTIONS = new Set(
  (
    "in values enum any all some array row on using as exists check default and or not select where then when else " +
    "return returning into options with primary key unique references index by over filter within has_table_privilege " +
    "has_column_privilege position"
  ).split(" "),
);

/** Functions of pgcrypto and their arguments, from 0, that are secret. */
const CRYPTO: readonly (readonly [name: RegExp, secret: readonly number[]])[] = [
  [/^crypt$/, [0]],
  [/^digest$/, [0]],
  [/^pgp_sym_(?:en|de)crypt(?:_bytea)?$/, [0, 1]],
  [/^pgp_pub_encrypt(?:_bytea)?$/, [0]],
  [/^pgp_pub_decrypt(?:_bytea)?$/, [1, 2]],
  [/^(?:en|de)crypt(?:_iv)?$/, [0, 1]],
  [/^hmac$/, [0, 1]],
];

/** Names of algorithms and encodings, which are arguments beside a secret. */
const ALGORITHM =
  /^(?:md5|sha-?\d+|sha1|bf|blowfish|xdes|des|3des|cast5|aes(?:[-/\w]*)|hex|base64|escape|utf-?8|[\w-]+=[\w-]+(?:,\s*[\w-]+=[\w-]+)*)$/i;

const VALUE_NAME = /^(?:.*_)?(?:value|val|setting)$/i;
/**
 * The tokens of a statement that are secret as a whole, by what stands around them. What a literal holds is looked
 * at by itself.
 * @param all whether every literal beside a template is secret, because another statement holds the template
 */
export function secretTokens(sql: string, tokens: TokenTable, all = false): ReadonlySet<number> {
  return new Finder(sql, tokens).find(all);
}

class Finder extends StatementView {
  readonly #secret = new Set<number>();
  readonly #templates = new Set<number>();
  /** Where each closing parenthesis was opened. */
  readonly #opened = new Map<number, number>();
  #expressionEnd = 0;
  readonly #isRole: boolean;
  readonly #isSetting: boolean;
  readonly #namesKey: boolean;

  constructor(sql: string, tokens: TokenTable) {
    super(sql, tokens);
    const starts = (...words: string[]) => hasWords(sql, this.first(4), 0, words);
    const kinds = ["role", "user", "group"];
    this.#isRole =
      kinds.some((kind) => starts("create", kind) || starts("alter", kind)) &&
      !isKeyword(sql, tokens.at(2), "mapping");
    this.#isSetting = starts("set") || [...kinds, "database", "system"].some((kind) => starts("alter", kind));
    this.#namesKey = this.#someLiteral((value) => isSecretKey(value));
  }

  find(all: boolean): ReadonlySet<number> {
    const open: number[] = [];
    for (let index = 0; index < this.tokens.length; index++) {
      const token = this.tokens.at(index);
      if (token === undefined) break;
      if (this.isMark(index, "(")) {
        open.push(index);
        this.#atOpening(index);
      } else if (this.isMark(index, ")")) {
        this.#opened.set(index, open.pop() ?? index);
      } else if (token.kind === "string") {
        this.#atString(index, open.at(-1));
      } else if (token.kind === "word" || token.kind === "quoted") {
        this.#atName(index);
      }
    }
    if (all || this.#templates.size > 0) this.#everyOther();
    return this.#secret;
  }

  #isSecretName(index: number): boolean {
    const name = this.name(index);
    if (name === undefined) return false;
    return isSecretName(name) || (this.#namesKey && VALUE_NAME.test(name));
  }

  #someLiteral(test: (value: string) => boolean): boolean {
    for (let index = 0; index < this.tokens.length; index++) {
      const token = this.tokens.at(index);
      if (token?.kind === "string" && token.end - token.start < 100 && test(this.value(index))) return true;
    }
    return false;
  }

  /** A password is a literal. In the place of one a typing mistake may put a word. */
  #atName(index: number): void {
    if (!this.#isSecretName(index)) return;
    if (this.kind(index + 1) === "string") this.#secret.add(index + 1);
    if (this.#isRole && this.is(index, "password") && this.name(index + 1) !== undefined) {
      if (!this.is(index + 1, "null")) this.#secret.add(index + 1);
    }
    this.#assignment(index + 1, index);
    this.#default(index + 1);
    if (this.is(index - 1, "as")) this.#labelled(index - 2);
  }

  /** @param index of what follows the name, subscript or path */
  #assignment(index: number, name: number): void {
    let at = index;
    if (this.kind(name) === "string") while (this.isMark(at, ")") || this.isMark(at, "]")) at++;
    if (this.text(at) === "::") at += 2;
    const operator = this.text(at);
    if (["=", "<>", "!=", "=>", ":="].includes(operator)) this.#given(at + 1, name);
    else if (operator === ":" && this.kind(at + 1) === "string") this.#secret.add(at + 1);
    else if (this.#isSetting && this.is(at, "to")) this.#given(at + 1, name);
    else if (this.is(at, "in")) this.#expression(at + 1);
    else if (hasWords(this.sql, this.slice(at, 2), 0, ["not", "in"])) this.#expression(at + 2);
    else if (this.is(at, "is")) this.#distinct(at + 1);
    const before = this.text(name - 1);
    if (["=", "<>", "!="].includes(before) && this.kind(name - 2) === "string") this.#secret.add(name - 2);
  }

  #distinct(index: number): void {
    const at = this.is(index, "not") ? index + 1 : index;
    if (hasWords(this.sql, this.slice(at, 2), 0, ["distinct", "from"])) this.#expression(at + 2);
  }

  /** A setting of one's own may be a word or a number; elsewhere those are names of something. */
  #given(index: number, name: number): void {
    const kind = this.kind(index);
    const isOwn = this.#isSetting && this.isMark(name - 1, ".");
    if (isOwn && !this.is(index, "default", "on", "off", "true", "false")) {
      if (kind === "word" || kind === "quoted" || kind === "number") this.#secret.add(index);
    }
    this.#expression(index);
  }

  /** `password varchar(60) DEFAULT 'x'`, `v_password CONSTANT text := 'x'` */
  #default(from: number): void {
    let depth = 0;
    for (let index = from; index < from + 40 && index < this.tokens.length; index++) {
      if (this.isMark(index, "(")) depth++;
      else if (this.isMark(index, ")")) depth--;
      if (depth < 0 || (depth === 0 && (this.isMark(index, ",") || this.isMark(index, ";")))) return;
      if (depth > 0) continue;
      if (this.is(index, "default") || this.text(index) === ":=") {
        this.#expression(index + 1);
        return;
      }
      if (this.is(index, "and", "or", "where", "from", "then", "values", "select", "is")) return;
    }
  }

  /** `'x' AS password`, also with a cast or a call around it. */
  #labelled(index: number): void {
    let at = index;
    while (this.kind(at) === "word" && this.text(at - 1) === "::") at -= 2;
    if (this.kind(at) === "string") this.#secret.add(at);
    const open = this.#opened.get(at);
    if (open !== undefined) this.#literals(open + 1, at);
  }

  /** All literals of an expression. One that begins inside of another ends there too, and has been looked at. */
  #expression(from: number): void {
    if (from < this.#expressionEnd) return;
    this.#expressionEnd = this.#expressionFrom(from);
  }

  #expressionFrom(from: number): number {
    let depth = 0;
    let index = from;
    for (; index < this.tokens.length; index++) {
      const token = this.tokens.at(index);
      if (token?.kind === "punctuation") {
        if (this.isMark(index, "(") || this.isMark(index, "[")) depth++;
        else if (this.isMark(index, ")") || this.isMark(index, "]")) depth--;
        if (depth < 0 || (depth === 0 && (this.isMark(index, ",") || this.isMark(index, ";")))) return index;
      } else if (token?.kind === "word" && depth === 0) {
        if (EXPRESSION_ENDS.has(this.text(index).toLowerCase())) return index;
      } else if (token?.kind === "string") {
        if (depth === 0 || !ALGORITHM.test(this.value(index))) this.#secret.add(index);
      }
    }
    return index;
  }

  #literals(from: number, to: number): void {
    for (let index = from; index < to; index++) {
      if (this.kind(index) === "string" && !ALGORITHM.test(this.value(index))) this.#secret.add(index);
    }
  }

  #atString(index: number, open: number | undefined): void {
    const token = this.tokens.at(index);
    if (token === undefined) return;
    const [start, length] = [token.start, token.end - token.start];
    if (length > LONGEST_LOOKED_AT || !SECRET_HINT.test(this.sql.slice(start, token.end))) return;
    const value = this.value(index);
    if (isPasswordTemplate(value)) this.#templates.add(index);
    if (isSecretKey(value)) this.#atKey(index, open);
    const isOpenKey = awaitsSecret(value);
    if (isOpenKey && this.text(index + 1) === "||") this.#expression(index + 2);
    const called = this.name((open ?? 0) - 1)?.toLowerCase();
    const isFormat = called === "format" && isFormatOfSecret(value);
    if (open !== undefined && (isFormat || (isOpenKey && called?.startsWith("concat")))) {
      this.#literals(index + 1, this.closing(open));
    }
    if (this.is(index + 1, "using") && namesSecret(value)) this.#literals(index + 2, this.tokens.length);
  }

  /** The name of a secret as a literal: `set_config('app.secret', 'x')`, `data->>'password' = 'x'` */
  #atKey(index: number, open: number | undefined): void {
    const before = this.text(index - 1);
    if (before.startsWith("->") || before.startsWith("#>") || before === "[")
      this.#assignment(index + 1, index);
    if (open === undefined || !this.isMark(index + 1, ",")) return;
    const called = this.name(open - 1);
    if (called !== undefined && !NO_FUNCTIONS.has(called.toLowerCase()) && !this.#isList(open)) {
      this.#expression(index + 2);
    }
  }

  /** Whether `name (` is a table with a list of columns rather than a call. */
  #isList(open: number): boolean {
    let at = open - 1;
    while (this.text(at - 1) === ".") at -= 2;
    return this.is(at - 1, "into", "table", "index", "type");
  }

  #atOpening(open: number): void {
    const called = this.name(open - 1)?.toLowerCase();
    const crypto = called === undefined ? undefined : CRYPTO.find(([name]) => name.test(called));
    if (crypto !== undefined) this.#arguments(open, crypto[1]);
    const columns = this.#columns(open);
    if (columns === undefined) return;
    const secret = columns.flatMap((name, index) => (isSecretName(name) ? [index] : []));
    const values = columns.flatMap((name, index) => (VALUE_NAME.test(name) ? [index] : []));
    if (secret.length === 0 && !(this.#namesKey && values.length > 0)) return;
    this.#rowsAfter(open, this.closing(open), new Columns(secret, values));
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

  /** The rows that a list of columns is about: behind it, or before it where it names those of a query. */
  #rowsAfter(open: number, close: number, columns: Columns): void {
    let next = close + 1;
    if (this.text(next) === "=" || this.is(next, "in")) {
      next += this.is(next + 1, "row") ? 2 : 1;
      if (this.isMark(next, "(")) this.#rowOrRows(next, columns);
      return;
    }
    const alias = this.is(open - 2, "as") ? open - 3 : open - 2;
    const opened = this.#opened.get(alias);
    if (opened !== undefined && this.name(open - 1) !== undefined)
      this.#query(opened + 1, this.closing(opened), columns);
    if (this.is(next, "as")) next += this.is(next + 1, "materialized") ? 2 : 1;
    if (this.isMark(next, "(")) this.#query(next + 1, this.closing(next), columns);
    else this.#query(next, this.tokens.length, columns);
  }

  #rowOrRows(open: number, columns: Columns): void {
    if (this.is(open + 1, "select", "values")) this.#query(open + 1, this.closing(open), columns);
    else if (this.isMark(open + 1, "(")) this.#groups(open + 1, columns);
    else this.#row(open + 1, this.closing(open), columns);
  }

  /** Rows of VALUES and lists of SELECT, at the depth of `from`. */
  #query(from: number, to: number, columns: Columns): void {
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

  #groups(from: number, columns: Columns): number {
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
  #row(from: number, to: number, columns: Columns): number {
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
    for (const found of row) {
      if (positions.includes(found.position) && !ALGORITHM.test(this.value(found.index)))
        this.#secret.add(found.index);
    }
    return index;
  }

  #arguments(open: number, positions: readonly number[]): void {
    this.#row(open + 1, this.closing(open), new Columns(positions, []));
  }

  /** Beside a template, what looks like no SQL of its own may be the password. */
  #everyOther(): void {
    for (let index = 0; index < this.tokens.length; index++) {
      if (this.kind(index) !== "string" || this.#templates.has(index)) continue;
      const isBody = this.is(index - 1, "as", "do", "language");
      if (!isBody && !looksLikeSql(this.value(index))) this.#secret.add(index);
    }
  }
}

class Columns {
  readonly secret: readonly number[];
  readonly values: readonly number[];

  constructor(secret: readonly number[], values: readonly number[]) {
    this.secret = secret;
    this.values = values;
  }
}
