import { hasWords, isKeyword, type Token, tokenize } from "./lexer.ts";
import { readLiteral, writeLiteral } from "./literals.ts";
import {
  isPasswordTemplate,
  looksLikeSql,
  MASK,
  maskOf,
  maskText,
  maskTextInCode,
  type OnSecret,
  SECRET_HINT,
} from "./secret-text.ts";
import { secretTokens } from "./secret-tokens.ts";
import { scanStatements } from "./split.ts";
import { TokenTable } from "./statement-view.ts";

export { maskText } from "./secret-text.ts";

/** Replaces a range of a text. Edits are sorted and do not overlap. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** SQL without its secrets, safe to show. */
export interface MaskedSql {
  readonly text: string;
  /** Converts an offset in the original SQL to the masked text. An offset inside a secret gives the start of its mask. */
  toMasked(offset: number): number;
  /** Converts an offset in the masked text back to the original SQL. */
  toReal(offset: number): number;
}

interface Context {
  /** Number of literals around this text. */
  readonly depth: number;
  /** Whether the text is the body of a routine, in any language. */
  readonly isCode: boolean;
  readonly onSecret: OnSecret;
}

/** A literal nested deeper than this is masked as a whole if it may hold a secret. */
const MAX_DEPTH = 6;

/**
 * Masks the secrets in SQL. The result has the same tokens and the same number of lines: only the content of literals
 * is replaced, by a mask that does not reveal the length of the secret.
 */
export function maskSql(sql: string): MaskedSql {
  const edits = editsOf(sql, { depth: 0, isCode: false, onSecret: () => {} });
  return {
    text: apply(sql, edits),
    toMasked: (offset) => {
      let added = 0;
      for (const { start, end, text } of edits) {
        if (offset <= start) break;
        if (offset < end) return start + added;
        added += text.length - (end - start);
      }
      return offset + added;
    },
    toReal: (offset) => {
      let added = 0;
      for (const { start, end, text } of edits) {
        if (offset <= start + added) break;
        if (offset < start + added + text.length) return start;
        added += text.length - (end - start);
      }
      return offset - added;
    },
  };
}

/** The text of `maskSql`. */
export function maskSecrets(sql: string): string {
  return apply(sql, editsOf(sql, { depth: 0, isCode: false, onSecret: () => {} }));
}

/** Masks the secrets of `sql` in a server message that may quote them. */
export function maskQuoted(message: string, sql: string): string {
  const secrets = new Set<string>();
  editsOf(sql, { depth: 0, isCode: false, onSecret: (secret) => secrets.add(secret) });
  const longestFirst = [...secrets].flatMap(quotedForms).toSorted((a, b) => b.length - a.length);
  return maskText(longestFirst.reduce((text, secret) => withoutSecret(text, secret), message));
}

/** The server truncates values in "Failing row contains (…)" to this many characters. */
const TRUNCATED_LENGTH = 60;

function quotedForms(secret: string): readonly string[] {
  const forms = [secret, secret.replaceAll("'", "''"), secret.replaceAll("''", "'")];
  if (secret.length > TRUNCATED_LENGTH) forms.push(secret.slice(0, TRUNCATED_LENGTH));
  return forms.filter((form) => form.trim() !== "");
}

/** A shorter secret may occur inside ordinary words, so it is masked only as a whole word. */
const MIN_SUBSTRING_LENGTH = 4;

function withoutSecret(text: string, secret: string): string {
  if (!text.includes(secret)) return text;
  if (secret.length >= MIN_SUBSTRING_LENGTH) return text.replaceAll(secret, MASK);
  const literally = secret.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}_])${literally}(?![\\p{L}\\p{N}_])`, "gu"), MASK);
}

function apply(sql: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return sql;
  const parts: string[] = [];
  let copied = 0;
  for (const { start, end, text } of edits) {
    parts.push(sql.slice(copied, start), text);
    copied = end;
  }
  return parts.join("") + sql.slice(copied);
}

function editsOf(sql: string, context: Context): readonly Edit[] {
  if (!SECRET_HINT.test(sql)) return [];
  const edits: Edit[] = [];
  const tokens = new TokenTable();
  const beside = context.isCode && holdsTemplate(sql);
  scanStatements(sql, {
    token: (token) => tokens.push(token),
    comment: (token) => edits.push(...commentEdits(sql, token, context)),
    end: () => {
      if (hasHint(sql, tokens) || beside) edits.push(...statementEdits(sql, tokens, context, beside));
      tokens.clear();
    },
  });
  return edits.toSorted((a, b) => a.start - b.start);
}

function hasHint(sql: string, tokens: TokenTable): boolean {
  return SECRET_HINT.test(sql.slice(tokens.at(0)?.start, tokens.at(tokens.length - 1)?.end));
}

/** A routine may build a template in one statement and use it in another. */
function holdsTemplate(sql: string): boolean {
  return tokenize(sql).some(
    ({ kind, start, end }) =>
      kind === "string" && isPasswordTemplate(readLiteral(sql.slice(start, end)).value),
  );
}

/** A comment may contain SQL or plain text. */
function commentEdits(sql: string, token: Token, context: Context): Edit[] {
  const text = sql.slice(token.start, token.end);
  if (!SECRET_HINT.test(text)) return [];
  const close = text.startsWith("/*") && text.endsWith("*/") ? "*/" : "";
  const note = text.slice(2, text.length - close.length);
  const inner = { ...context, depth: context.depth + 1, isCode: false };
  const code = context.depth < MAX_DEPTH ? apply(note, editsOf(note, inner)) : note;
  const masked = maskText(code, context.onSecret);
  return masked === note ? [] : [singleTokenEdit(token, text, [text.slice(0, 2), masked, close])];
}

/** Masks the whole token if the edit removed a delimiter, so that it would no longer be one token. */
function singleTokenEdit(
  token: Token,
  before: string,
  [open, content, close]: readonly [string, string, string],
): Edit {
  const after = `${open}${content}${close}`;
  const tokens = tokenize(after);
  const isOne = tokens.length === 1 && tokens[0]?.kind === token.kind && tokens[0].end === after.length;
  const isEnded = close === "" || tokenize(`${after} x`).length === 2;
  return contentEdit(token, before, isOne && isEnded ? after : `${open} ${maskOf(before)} ${close}`);
}

function statementEdits(sql: string, tokens: TokenTable, context: Context, beside: boolean): Edit[] {
  const secret = secretTokens(sql, tokens, beside);
  const edits: Edit[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens.at(index);
    if (token === undefined) break;
    if (secret.has(index)) edits.push(...wholeEdit(sql, token, context));
    else if (token.kind === "string") edits.push(...insideEdits(sql, tokens, index, context));
    else if (token.kind === "quoted" && context.depth > 0) edits.push(...quotedEdits(sql, token, context));
  }
  return edits;
}

function wholeEdit(sql: string, token: Token, { onSecret }: Context): Edit[] {
  const { kind, start, end } = token;
  const text = sql.slice(start, end);
  if (kind === "string") {
    const literal = readLiteral(text);
    if (literal.value === "") return [];
    onSecret(literal.value);
    onSecret(literal.raw);
    return [contentEdit(token, text, writeLiteral(literal, MASK))];
  }
  onSecret(kind === "quoted" ? text.slice(1, -1) : text);
  const mask = kind === "quoted" ? `"${MASK}"` : kind === "number" ? "0" : "_".repeat(MASK.length);
  return [{ start, end, text: mask }];
}

/** Replaces only the part that differs, so that offsets of the quotes stay correct. */
function contentEdit({ start, end }: Token, before: string, after: string): Edit {
  let [head, tail] = [0, 0];
  const shorter = Math.min(before.length, after.length);
  while (head < shorter && before[head] === after[head]) head++;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { start: start + head, end: end - tail, text: after.slice(head, after.length - tail) };
}

function insideEdits(sql: string, tokens: TokenTable, index: number, context: Context): Edit[] {
  const token = tokens.at(index);
  const text = token === undefined ? "" : sql.slice(token.start, token.end);
  if (token === undefined || !SECRET_HINT.test(text)) return [];
  const literal = readLiteral(text);
  const inner = { ...context, depth: context.depth + 1, isCode: isBody(sql, tokens, index) };
  if (context.depth >= MAX_DEPTH) return wholeEdit(sql, token, context);
  const edits = inner.isCode || looksLikeSql(literal.value) ? editsOf(literal.value, inner) : undefined;
  if (edits !== undefined && literal.style === "dollar" && inner.isCode) {
    const offset = token.start + literal.open.length;
    return edits.map((edit) => ({ ...edit, start: edit.start + offset, end: edit.end + offset }));
  }
  const value =
    edits === undefined
      ? maskText(literal.value, context.onSecret)
      : maskTextInCode(apply(literal.value, edits), context.onSecret);
  if (value === literal.value) return [];
  // Escapes may not survive rewriting, so a literal with escapes is masked as a whole.
  if (literal.style === "escaped") return wholeEdit(sql, token, context);
  return [contentEdit(token, text, writeLiteral(literal, value))];
}

/** In languages other than SQL, double quotes may hold any text. */
function quotedEdits(sql: string, token: Token, { onSecret }: Context): Edit[] {
  const text = sql.slice(token.start, token.end);
  const [open = ""] = /^(?:u&)?"/i.exec(text) ?? [];
  if (!SECRET_HINT.test(text) || text.length <= open.length || !text.endsWith('"')) return [];
  const content = text.slice(open.length, -1);
  const masked = maskText(content, onSecret);
  return masked === content ? [] : [singleTokenEdit(token, text, [open, masked, '"'])];
}

/** Whether a literal is the code of DO, CREATE FUNCTION or CREATE PROCEDURE. */
function isBody(sql: string, tokens: TokenTable, index: number): boolean {
  const first = [0, 1, 2, 3].map((at) => tokens.at(at)).filter((token) => token !== undefined);
  if (hasWords(sql, first, 0, ["do"])) return !isKeyword(sql, tokens.at(index - 1), "language");
  const isRoutine = ["function", "procedure"].some(
    (kind) =>
      hasWords(sql, first, 0, ["create", kind]) || hasWords(sql, first, 0, ["create", "or", "replace", kind]),
  );
  return isRoutine && isKeyword(sql, tokens.at(index - 1), "as");
}

/** Much more than `oneLine` ever shows. */
const MAX_EXCERPT = 4_000;

/** The beginning of SQL on one line, without comments and with secrets masked: for a list of queries. */
export function oneLine(sql: string, maxLength: number): string {
  const start = sql.slice(0, MAX_EXCERPT);
  const tokens = tokenize(start);
  // Drop the last token: a truncated secret would not be recognised and masked.
  if (start.length < sql.length) tokens.pop();
  let text = "";
  let end = 0;
  for (const token of tokens) {
    if (token.kind === "comment") continue;
    text += `${token.start > end ? " " : ""}${sql.slice(token.start, token.end)}`;
    end = token.end;
  }
  return maskSecrets(text).replace(/\s+/g, " ").trim().slice(0, maxLength);
}
