import { piecesOf } from "./pieces.ts";
import { type Gap, stringEnd } from "./quoted.ts";

/** A string literal, taken apart. */
export interface Literal {
  /** Its prefix and opening quote. */
  readonly open: string;
  /** As it is written between the quotes; of a literal in several pieces, from the first to the last. */
  readonly raw: string;
  /** Empty where nothing closes it. */
  readonly close: string;
  /** What it means. */
  readonly value: string;
  /** `plain`: a quote is doubled and nothing else is escaped. */
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
  const joined = joinPieces(raw, gaps, open.length);
  const unquoted = joined.replaceAll("''", "'");
  if (isEscape) return { open, raw, close, value: fromBackslashEscapes(joined), style: "escaped" };
  if (/^u/i.test(open)) return { open, raw, close, value: fromUnicodeEscapes(unquoted), style: "escaped" };
  return { open, raw, close, value: unquoted, style: "plain" };
}

/** The literal with another meaning, in the same quotes; it has as many lines as before. */
export function writeLiteral({ open, raw, close, style }: Literal, value: string): string {
  const written = style === "dollar" ? value : value.replaceAll("'", "''");
  const lines = lineBreaks(raw) - lineBreaks(written);
  return `${open}${written}${"\n".repeat(Math.max(0, lines))}${close}`;
}

/**
 * A text as a literal that means the same whatever `standard_conforming_strings` is. The driver's own function adds
 * one character after the other, which takes more than thirty bytes of memory for each.
 */
export function quoteLiteral(text: string): string {
  return quoted([text]);
}

/** A list of texts as JSON, as a literal. The JSON of large texts is never in memory as a whole. */
export function quoteJson(texts: readonly string[]): string {
  return quoted(jsonOf(texts));
}

function* jsonOf(texts: readonly string[]): Generator<string> {
  for (const [index, text] of texts.entries()) {
    yield index === 0 ? '["' : '","';
    for (const piece of piecesOf([text])) yield JSON.stringify(piece).slice(1, -1);
  }
  yield texts.length === 0 ? "[]" : '"]';
}

function quoted(texts: Iterable<string>): string {
  let [content, hasBackslash] = ["", false];
  for (const text of texts) {
    hasBackslash ||= text.includes("\\");
    for (const piece of piecesOf([text])) content += piece.replace(/['\\]/g, "$&$&");
  }
  return `${hasBackslash ? "E" : ""}'${content}'`;
}

function lineBreaks(text: string): number {
  return text.match(/\n/g)?.length ?? 0;
}

/** An escaped or doubled quote at the end closes nothing. */
function isClosed(text: string, from: number, isEscape: boolean): boolean {
  if (text.length <= from || !text.endsWith("'")) return false;
  // A literal that is not closed takes in what follows.
  return stringEnd(`${text} x`, from - 1, isEscape ? "escape" : "standard") === text.length;
}

function joinPieces(raw: string, gaps: readonly Gap[], offset: number): string {
  let joined = "";
  let from = 0;
  for (const { start, end } of gaps) {
    // A gap is what stands between two quotes, which are no part of the value either.
    joined += raw.slice(from, start - 1 - offset);
    from = end + 1 - offset;
  }
  return joined + raw.slice(from);
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function fromBackslashEscapes(raw: string): string {
  return raw.replace(
    /''|\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|x([0-9a-f]{1,2})|([0-7]{1,3})|([\s\S]))/gi,
    (found, short, long, hex, octal, other) => {
      if (found === "''") return "'";
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
