import { isBuiltin } from "node:module";

/**
 * Questions about a migration's text that are answered without parsing it. Each may err in one direction
 * only, and says which.
 */

/**
 * The text without the comments that begin a line. Comments further right stay: finding them takes a
 * parser, since `"https://…"` and a regular expression may look like one.
 */
export function withoutLeadingComments(text: string): string {
  return text.replace(/^[ \t]*(?:\/\/.*|\/\*[\s\S]*?\*\/)/gm, "");
}

const TYPE_IMPORT = /\bimport\s+type\s+(?!from\b)[^;'"]*?\bfrom\s*(["'])[^'"]*\1/g;
const NAMED_IMPORT = /\b(?:import\b[^;'"()]*?|\bfrom\s*|(?:import|require)\s*\(\s*)(["'])([^'"]*)\1/g;
const REEXPORT = /\bexport\s*(?:type\s*)?(?:\*|\{[^}]*\}\s*(?:from\b|\/))/;

/**
 * Whether a module may import a file of the project. A false "yes" costs one question to esbuild; a "no"
 * is certain.
 */
export function mayImportLocalFiles(text: string): boolean {
  const rest = withoutLeadingComments(text)
    .replace(TYPE_IMPORT, "")
    .replace(/\bimport\s*\.\s*meta\b/g, "")
    .replace(NAMED_IMPORT, (found, _quote: string, specifier: string) => (isForeign(specifier) ? "" : found));
  return /\b(?:import|require)\b/.test(rest) || REEXPORT.test(rest);
}

/** A tsconfig path or a workspace may make any other name a file of the project. */
function isForeign(specifier: string): boolean {
  return isBuiltin(specifier) || specifier === "node-pg-migrate";
}

const TEMPLATE_LINES =
  /^[ \t]*(?:(?:module\.)?exports\.shorthands\s*=\s*undefined|export\s+(?:const|let|var)\s+shorthands\s*(?::[^=;]*)?=\s*undefined)[ \t]*(?:;|$)/gm;
const WHOLE_EXPORT = String.raw`\b(?:export\s+default\b|module\.exports\s*=|export\s*=)`;
/** Exports whose names cannot be seen: everything of another module, a call, a variable, a spread. */
const OPAQUE_EXPORT = new RegExp(
  [
    String.raw`\bexport\s*\*`,
    String.raw`${WHOLE_EXPORT}(?!\s*(?:\{|function\b|async\s+function\b|class\b))`,
    String.raw`${WHOLE_EXPORT}\s*\{[^;]*?\.\.\.`,
  ].join("|"),
);

/**
 * Whether a module exports `shorthands`. A false "yes" costs loading the file when something is pending;
 * a "no" is certain. The line that templates begin with, `shorthands = undefined`, is no export.
 */
export function mayExportShorthands(text: string): boolean {
  const rest = withoutLeadingComments(text).replace(TEMPLATE_LINES, "");
  return /\bshorthands\b/.test(rest) || OPAQUE_EXPORT.test(rest);
}

const BYTE_ORDER_MARK = { latin1: "\u00ef\u00bb\u00bf", utf8: "\ufeff" };

/** How bytes were decoded; as latin1 none is lost, whatever they are. */
export type TextEncoding = keyof typeof BYTE_ORDER_MARK;

/** Without a byte order mark, and with the line endings of Unix. */
export function normalizeLines(text: string, encoding: TextEncoding = "latin1"): string {
  const mark = BYTE_ORDER_MARK[encoding];
  const unmarked = text.startsWith(mark) ? text.slice(mark.length) : text;
  return unmarked.includes("\r") ? unmarked.replace(/\r\n?/g, "\n") : unmarked;
}

/** In a comment as well: `// ${__dirname}` may be a line of a text. */
const SELF_REFERENCE = /\b__(?:dirname|filename)\b|\bimport\s*\.\s*meta\b/;

/** Whether a module asks where it is. A false "yes" costs little; a "no" is certain. */
export function refersToItself(text: string): boolean {
  return SELF_REFERENCE.test(text);
}

/** Asks the disk, or could. */
const READS_FILES =
  /\b(?:readFile|readdir|createReadStream|openSync|opendir)\w*\b|["'](?:node:)?fs(?:\/promises)?["']/;
/** A text of one line; of a template what stands after its last variable. */
const TEXT = /(["'`])((?:(?!\1)[^\\\n]|\\.){1,200})\1/g;

/**
 * Texts of a module that may be paths of files it reads; none for a module that reads no files. Paths of imports are
 * among them.
 */
export function mentionedPaths(text: string): readonly string[] {
  if (!refersToItself(text) && !READS_FILES.test(text)) return [];
  const texts = [...withoutLeadingComments(text).matchAll(TEXT)].map(([, , inner = ""]) =>
    inner.slice(inner.lastIndexOf("}") + 1),
  );
  return [...new Set(texts.filter((path) => /^[\w./ -]*\w[\w./ -]*$/.test(path)))];
}
