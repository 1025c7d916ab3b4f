import { isUtf8 } from "node:buffer";
import { isBuiltin } from "node:module";
import { MigrationError } from "../core/index.ts";

// Tests of a module's text without parsing it. Each may be wrong in one direction only, and says in which.

/**
 * The text without comments at the start of a line. Comments further right stay: finding them takes a parser, since
 * `"https://…"` and a regular expression may look like one.
 */
export function withoutLeadingComments(text: string): string {
  return text.replace(/^[ \t]*(?:\/\/.*|\/\*[\s\S]*?\*\/)/gm, "");
}

const TYPE_IMPORT = /\bimport\s+type\s+(?!from\b)[^;'"]*?\bfrom\s*(["'])[^'"]*\1/g;
const NAMED_IMPORT = /\b(?:import\b[^;'"()]*?|\bfrom\s*|(?:import|require)\s*\(\s*)(["'])([^'"]*)\1/g;
const REEXPORT = /\bexport\s*(?:type\s*)?(?:\*|\{[^}]*\}\s*(?:from\b|\/))/;

/** Whether a module may import a file of the project. A false positive costs a call of esbuild; "no" is certain. */
export function mayImportLocalFiles(text: string): boolean {
  const rest = withoutLeadingComments(text)
    .replace(TYPE_IMPORT, "")
    .replace(/\bimport\s*\.\s*meta\b/g, "")
    .replace(NAMED_IMPORT, (match, _quote: string, specifier: string) => (isForeign(specifier) ? "" : match));
  return /\b(?:import|require)\b/.test(rest) || REEXPORT.test(rest);
}

/** A tsconfig path or a workspace may make any other name a file of the project. */
function isForeign(specifier: string): boolean {
  return isBuiltin(specifier) || specifier === "node-pg-migrate";
}

const TEMPLATE_LINES =
  /^[ \t]*(?:(?:module\.)?exports\.shorthands\s*=\s*undefined|export\s+(?:const|let|var)\s+shorthands\s*(?::[^=;]*)?=\s*undefined)[ \t]*(?:;|$)/gm;
const WHOLE_EXPORT = String.raw`\b(?:export\s+default\b|module\.exports\s*=|export\s*=)`;
/** Exports whose names are not in the text: everything of another module, a call, a variable, a spread. */
const OPAQUE_EXPORT = new RegExp(
  [
    String.raw`\bexport\s*\*`,
    String.raw`${WHOLE_EXPORT}(?!\s*(?:\{|function\b|async\s+function\b|class\b))`,
    String.raw`${WHOLE_EXPORT}\s*\{[^;]*?\.\.\.`,
  ].join("|"),
);

/**
 * Whether a module may export `shorthands`. A false positive costs loading the file when a migration is pending; "no" is
 * certain. The line `shorthands = undefined`, which templates begin with, does not count.
 */
export function mayExportShorthands(text: string): boolean {
  const rest = withoutLeadingComments(text).replace(TEMPLATE_LINES, "");
  return /\bshorthands\b/.test(rest) || OPAQUE_EXPORT.test(rest);
}

/** In comments too: `// ${__dirname}` may be a line of a template literal. */
const SELF_REFERENCE = /\b__(?:dirname|filename)\b|\bimport\s*\.\s*meta\b/;

/** Whether a module may use its own location. A false positive costs little; "no" is certain. */
export function refersToItself(text: string): boolean {
  return SELF_REFERENCE.test(text);
}

const READS_FILES =
  /\b(?:readFile|readdir|createReadStream|openSync|opendir)\w*\b|["'](?:node:)?fs(?:\/promises)?["']/;
/** A string of one line; of a template literal the text after its last expression. */
const STRING = /(["'`])((?:(?!\1)[^\\\n]|\\.){1,200})\1/g;

/**
 * Strings of a module that may be paths of files it reads, paths of imports among them; none if it reads no files.
 */
export function mentionedPaths(text: string): readonly string[] {
  if (!refersToItself(text) && !READS_FILES.test(text)) return [];
  const strings = [...withoutLeadingComments(text).matchAll(STRING)].map(([, , inner = ""]) =>
    inner.slice(inner.lastIndexOf("}") + 1),
  );
  return [...new Set(strings.filter((path) => /^[\w./ -]*\w[\w./ -]*$/.test(path)))];
}

const BYTE_ORDER_MARK = { latin1: "\u00ef\u00bb\u00bf", utf8: "\ufeff" };

/** How bytes were decoded; latin1 keeps every byte. */
export type TextEncoding = keyof typeof BYTE_ORDER_MARK;

/** Without a byte order mark, and with the line endings of Unix. */
export function normalizeLines(text: string, encoding: TextEncoding = "latin1"): string {
  const mark = BYTE_ORDER_MARK[encoding];
  const unmarked = text.startsWith(mark) ? text.slice(mark.length) : text;
  return unmarked.includes("\r") ? unmarked.replace(/\r\n?/g, "\n") : unmarked;
}

export interface EncodingProblem {
  /** Both 1-based; the column counts bytes. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export const SAVE_AS_UTF8 = "save it as UTF-8: iconv -f LATIN1 -t UTF-8, or the encoding that it really has";

/** @throws MigrationError `MIGRATION` naming the file, the line and the byte */
export function requireUtf8(file: string, bytes: Buffer): void {
  const problem = findEncodingProblem(bytes);
  if (problem === undefined) return;
  const { line, column, message } = problem;
  throw new MigrationError("MIGRATION", `${file}:${line}:${column} ${message}`, {
    problems: [{ file, line, column, message, hint: SAVE_AS_UTF8 }],
    hint: SAVE_AS_UTF8,
  });
}

/**
 * Why bytes are not text in UTF-8; undefined if they are. Decoded anyway, other characters would be written to the
 * database.
 */
export function findEncodingProblem(bytes: Buffer): EncodingProblem | undefined {
  const encoding = detectUtf16(bytes);
  if (encoding !== undefined) return { line: 1, column: 1, message: `is ${encoding}, not UTF-8` };
  if (isUtf8(bytes)) return undefined;
  const offset = firstInvalid(bytes);
  const before = bytes
    .subarray(0, offset)
    .toString("latin1")
    .split(/\r\n|\r|\n/);
  const byte = (bytes[offset] ?? 0).toString(16).toUpperCase().padStart(2, "0");
  return {
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    message: `is not UTF-8: byte 0x${byte} at offset ${offset}`,
  };
}

/** By its byte order mark, or because every other byte of mostly ASCII text is zero. */
function detectUtf16(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "UTF-16 (little-endian)";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "UTF-16 (big-endian)";
  if (!bytes.includes(0)) return undefined;
  const start = bytes.subarray(0, 1_000);
  const zeros = [0, 0];
  for (const [index, byte] of start.entries()) if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  const most = start.length * 0.3;
  if (odd > most && even < odd / 4) return "UTF-16 (little-endian, without a mark)";
  if (even > most && odd < even / 4) return "UTF-16 (big-endian, without a mark)";
  return undefined;
}

function firstInvalid(bytes: Buffer): number {
  let offset = 0;
  while (offset < bytes.length) {
    const lead = bytes[offset] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length > 1 && !isUtf8(bytes.subarray(offset, offset + length))) return offset;
    offset += length;
  }
  return offset;
}
