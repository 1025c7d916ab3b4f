import { type Gap, stringEnd } from "./token-ends.ts";

/** Large texts are processed in chunks of this many characters. */
const CHUNK_LENGTH = 65_536;

/** The high bits of a high surrogate in UTF-16. */
const HIGH_SURROGATE = 0xd800;

/** Joins the texts and yields them in chunks. No chunk ends inside a surrogate pair. */
export function* chunksOf(texts: readonly string[]): Generator<string> {
  let chunk = "";
  for (const text of texts) {
    for (let at = 0; at < text.length; at += CHUNK_LENGTH) {
      chunk += text.slice(at, at + CHUNK_LENGTH);
      if (chunk.length < CHUNK_LENGTH) continue;
      const isHalf = (chunk.charCodeAt(chunk.length - 1) & 0xfc00) === HIGH_SURROGATE;
      const end = isHalf ? chunk.length - 1 : chunk.length;
      yield chunk.slice(0, end);
      chunk = chunk.slice(end);
    }
  }
  if (chunk !== "") yield chunk;
}

/** The parts of a string literal. */
export interface Literal {
  /** Prefix and opening quote. */
  readonly open: string;
  /** The source between the quotes, including gaps of a literal that continues on another line. */
  readonly raw: string;
  /** Empty if the literal is not terminated. */
  readonly close: string;
  /** The value after unescaping. */
  readonly value: string;
  /** `plain`: the only escape is a doubled quote. */
  readonly style: "dollar" | "plain" | "escaped";
}

export function readLiteral(text: string): Literal {
  const [dollar] = /^\$[^$]*\$/.exec(text) ?? [];
  if (dollar !== undefined) {
    const close = text.length >= 2 * dollar.length && text.endsWith(dollar) ? dollar : "";
    const raw = text.slice(dollar.length, text.length - close.length);
    return { open: dollar, raw, close, value: raw, style: "dollar" };
  }
  const open = text.slice(0, text.indexOf("'") + 1);
  const gaps: Gap[] = [];
  const isEscape = /^e/i.test(open);
  stringEnd(text, open.length - 1, isEscape ? "escape" : "standard", gaps);
  const close = isClosed(text, open.length, isEscape) ? "'" : "";
  const raw = text.slice(open.length, text.length - close.length);
  const joined = joinParts(raw, gaps, open.length);
  const unquoted = joined.replaceAll("''", "'");
  if (isEscape) return { open, raw, close, value: fromBackslashEscapes(joined), style: "escaped" };
  if (/^u/i.test(open)) return { open, raw, close, value: fromUnicodeEscapes(unquoted), style: "escaped" };
  return { open, raw, close, value: unquoted, style: "plain" };
}

/** Writes another value in the same quotes, with at least as many lines as before. */
export function writeLiteral({ open, raw, close, style }: Literal, value: string): string {
  const written = style === "dollar" ? value : value.replaceAll("'", "''");
  const lines = lineBreaks(raw) - lineBreaks(written);
  return `${open}${written}${"\n".repeat(Math.max(0, lines))}${close}`;
}

/**
 * Quotes a text so that it is safe with any `standard_conforming_strings`. The driver's function appends single
 * characters, which takes over thirty bytes of memory for each.
 */
export function quoteLiteral(text: string): string {
  return quoted([text]);
}

/** Quotes a list of texts as JSON, without holding all of the JSON in memory. */
export function quoteJson(texts: readonly string[]): string {
  return quoted(jsonOf(texts));
}

function* jsonOf(texts: readonly string[]): Generator<string> {
  for (const [index, text] of texts.entries()) {
    yield index === 0 ? '["' : '","';
    for (const chunk of chunksOf([text])) yield JSON.stringify(chunk).slice(1, -1);
  }
  yield texts.length === 0 ? "[]" : '"]';
}

function quoted(texts: Iterable<string>): string {
  let [content, hasBackslash] = ["", false];
  for (const text of texts) {
    hasBackslash ||= text.includes("\\");
    for (const chunk of chunksOf([text])) content += chunk.replace(/['\\]/g, "$&$&");
  }
  return `${hasBackslash ? "E" : ""}'${content}'`;
}

function lineBreaks(text: string): number {
  return text.match(/\n/g)?.length ?? 0;
}

/** An escaped or doubled quote at the end does not close the literal. */
function isClosed(text: string, from: number, isEscape: boolean): boolean {
  if (text.length <= from || !text.endsWith("'")) return false;
  // An unterminated literal would include the appended text.
  return stringEnd(`${text} x`, from - 1, isEscape ? "escape" : "standard") === text.length;
}

function joinParts(raw: string, gaps: readonly Gap[], offset: number): string {
  let joined = "";
  let from = 0;
  for (const { start, end } of gaps) {
    // The quotes around a gap are not part of the value either.
    joined += raw.slice(from, start - 1 - offset);
    from = end + 1 - offset;
  }
  return joined + raw.slice(from);
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function fromBackslashEscapes(raw: string): string {
  return raw.replace(
    /''|\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|x([0-9a-f]{1,2})|([0-7]{1,3})|([\s\S]))/gi,
    (sequence, short, long, hex, octal, other) => {
      if (sequence === "''") return "'";
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      if (other !== undefined) return ESCAPES[other] ?? other;
      return codePoint(short ?? long ?? hex);
    },
  );
}

function fromUnicodeEscapes(raw: string): string {
  return raw.replace(/\\(?:\\|([0-9a-f]{4})|\+([0-9a-f]{6}))/gi, (_, short, long) =>
    (short ?? long) === undefined ? "\\" : codePoint(short ?? long),
  );
}

function codePoint(hex: string): string {
  const code = Number.parseInt(hex, 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : "";
}
