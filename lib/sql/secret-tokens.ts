import { hasWords, isKeyword } from "./lexer.ts";
import { SecretRows, VALUE_COLUMN } from "./secret-rows.ts";
import {
  ALGORITHM,
  awaitsSecret,
  isFormatOfSecret,
  isPasswordTemplate,
  isSecretKey,
  isSecretName,
  looksLikeSql,
  namesSecret,
  SECRET_HINT,
} from "./secret-text.ts";
import { MAX_LITERAL_LENGTH, StatementView, type TokenTable } from "./statement-view.ts";

/** Keywords that end the expression which belongs to a name. */
const EXPRESSION_ENDS = new Set(
  (
    "where from returning and or then loop on group order union except intersect when else end limit having window " +
    "not null check references unique primary generated collate constraint using set do values select into default"
  ).split(" "),
);

/** Words that may precede a parenthesis without being the name of a function. */
const NOT_FUNCTIONS = new Set(
  (
    "in values enum any all some array row on using as exists check default and or not select where then when else " +
    "return returning into options with primary key unique references index by over filter within has_table_privilege " +
    "has_column_privilege position"
  ).split(" "),
);

/** Functions of pgcrypto and the positions, from 0, of their secret arguments. */
const CRYPTO: readonly (readonly [name: RegExp, secret: readonly number[]])[] = [
  [/^crypt$/, [0]],
  [/^digest$/, [0]],
  [/^pgp_sym_(?:en|de)crypt(?:_bytea)?$/, [0, 1]],
  [/^pgp_pub_encrypt(?:_bytea)?$/, [0]],
  [/^pgp_pub_decrypt(?:_bytea)?$/, [1, 2]],
  [/^(?:en|de)crypt(?:_iv)?$/, [0, 1]],
  [/^hmac$/, [0, 1]],
];

/**
 * Finds the tokens of a statement that are secret as a whole, judged by the tokens around them. What is inside a
 * literal is masked separately.
 * @param all treat every literal as secret except templates, because another statement holds the template
 */
export function secretTokens(sql: string, tokens: TokenTable, all = false): ReadonlySet<number> {
  return new SecretFinder(sql, tokens).find(all);
}

class SecretFinder extends StatementView {
  readonly #secret = new Set<number>();
  readonly #rows: SecretRows;
  readonly #templates = new Set<number>();
  /** Where each closing parenthesis was opened. */
  readonly #opened = new Map<number, number>();
  #expressionEnd = 0;
  readonly #isRole: boolean;
  readonly #isSetting: boolean;
  readonly #namesKey: boolean;

  constructor(sql: string, tokens: TokenTable) {
    super(sql, tokens);
    this.#rows = new SecretRows(sql, tokens, this.#secret);
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
    if (all || this.#templates.size > 0) this.#allExceptTemplates();
    return this.#secret;
  }

  #isSecretName(index: number): boolean {
    const name = this.name(index);
    if (name === undefined) return false;
    return isSecretName(name) || (this.#namesKey && VALUE_COLUMN.test(name));
  }

  #someLiteral(test: (value: string) => boolean): boolean {
    for (let index = 0; index < this.tokens.length; index++) {
      const token = this.tokens.at(index);
      if (token?.kind === "string" && token.end - token.start < 100 && test(this.value(index))) return true;
    }
    return false;
  }

  /** A password is normally a literal, but someone may have forgotten the quotes. */
  #atName(index: number): void {
    if (!this.#isSecretName(index)) return;
    if (this.kind(index + 1) === "string") this.#secret.add(index + 1);
    if (this.#isRole && this.is(index, "password") && this.name(index + 1) !== undefined) {
      if (!this.is(index + 1, "null")) this.#secret.add(index + 1);
    }
    this.#assignment(index + 1, index);
    this.#default(index + 1);
    if (this.is(index - 1, "as")) this.#aliased(index - 2);
  }

  /** @param index of what follows the name, subscript or path */
  #assignment(index: number, name: number): void {
    let at = index;
    if (this.kind(name) === "string") while (this.isMark(at, ")") || this.isMark(at, "]")) at++;
    if (this.text(at) === "::") at += 2;
    const operator = this.text(at);
    if (["=", "<>", "!=", "=>", ":="].includes(operator)) this.#assignedValue(at + 1, name);
    else if (operator === ":" && this.kind(at + 1) === "string") this.#secret.add(at + 1);
    else if (this.#isSetting && this.is(at, "to")) this.#assignedValue(at + 1, name);
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

  /** The value of a custom setting may be a word or a number; elsewhere a word is a name and not a secret. */
  #assignedValue(index: number, name: number): void {
    const kind = this.kind(index);
    const isCustom = this.#isSetting && this.isMark(name - 1, ".");
    if (isCustom && !this.is(index, "default", "on", "off", "true", "false")) {
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
  #aliased(index: number): void {
    let at = index;
    while (this.kind(at) === "word" && this.text(at - 1) === "::") at -= 2;
    if (this.kind(at) === "string") this.#secret.add(at);
    const open = this.#opened.get(at);
    if (open !== undefined) this.#literals(open + 1, at);
  }

  /** Marks all literals of an expression. A nested expression ends inside the outer one and is already marked. */
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
    if (length > MAX_LITERAL_LENGTH || !SECRET_HINT.test(this.sql.slice(start, token.end))) return;
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
    if (called !== undefined && !NOT_FUNCTIONS.has(called.toLowerCase()) && !this.#isColumnList(open)) {
      this.#expression(index + 2);
    }
  }

  /** Whether `name (` is a table with a list of columns rather than a call. */
  #isColumnList(open: number): boolean {
    let at = open - 1;
    while (this.text(at - 1) === ".") at -= 2;
    return this.is(at - 1, "into", "table", "index", "type");
  }

  #atOpening(open: number): void {
    const called = this.name(open - 1)?.toLowerCase();
    const crypto = called === undefined ? undefined : CRYPTO.find(([name]) => name.test(called));
    if (crypto !== undefined) this.#rows.maskArguments(open, crypto[1]);
    this.#rows.maskColumnsAt(open, this.#opened, this.#namesKey);
  }

  /** In a statement with a template, any literal that is not SQL may be the password. */
  #allExceptTemplates(): void {
    for (let index = 0; index < this.tokens.length; index++) {
      if (this.kind(index) !== "string" || this.#templates.has(index)) continue;
      const isBody = this.is(index - 1, "as", "do", "language");
      if (!isBody && !looksLikeSql(this.value(index))) this.#secret.add(index);
    }
  }
}
