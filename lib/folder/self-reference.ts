import { extname } from "node:path";
import type { Loader } from "esbuild";
import { MIXED } from "./exports.ts";
import { refersToItself } from "./source-text.ts";

/** Variables of compiled code that replace what a module knows of its own location. */
export const SELF = {
  url: "__migration_url",
  dirname: "__migration_dirname",
  filename: "__migration_filename",
  resolve: "__migration_resolve",
} as const;

/** For esbuild's `define`: compiled code must not see its own location. Variables of these names are left alone. */
export const SELF_REFERENCES: Readonly<Record<string, string>> = {
  "import.meta.url": SELF.url,
  "import.meta.dirname": SELF.dirname,
  "import.meta.filename": SELF.filename,
  "import.meta.resolve": SELF.resolve,
  __dirname: SELF.dirname,
  __filename: SELF.filename,
};

/** Source text that declares `__migration_resolver`, which makes the `import.meta.resolve` of a URL. */
export const RESOLVER = [
  'import { createRequire as __migration_createRequire } from "node:module";',
  'import { pathToFileURL as __migration_toUrl } from "node:url";',
  "const __migration_resolver = (from) => (name) => /^(?:\\.{0,2}\\/|[a-z]+:)/i.test(name)",
  "  ? new URL(name, from).href : __migration_toUrl(__migration_createRequire(from).resolve(name)).href;",
].join("\n");

/**
 * A local module's text for esbuild, with `declareSelf` before it if it refers to itself. Keeps every line where it is,
 * for stack traces.
 */
export function adaptModule(path: string, text: string, isMigration: boolean, declareSelf: string): string {
  const code = text.replace(/^\ufeff/, "").replace(/^#!/, "//");
  const self = refersToItself(code) ? declareSelf : "";
  if (!isMigration || !mixesModuleSystems(path, code)) return self + code;
  return `${self}var module = { exports: {} }, exports = module.exports; ${code}\nexport { module as ${MIXED} };`;
}

/**
 * Whether a file has `module.exports` beside `export`, `import.meta`, a top-level `await` or the extension of an ES
 * module. node-pg-migrate's loader accepts it, and its own .cjs template is such a file. (esbuild itself accepts
 * `import` beside `module.exports`.)
 */
function mixesModuleSystems(path: string, code: string): boolean {
  if (!/\bmodule\s*\.\s*exports\b|\bexports\s*[.[]/.test(code)) return false;
  if (/\b(?:const|let|var|function|class|import)\s+(?:module|exports)\b/.test(code)) return false;
  return /\.m[jt]s$/i.test(path) || /^\s*export\b|\bimport\s*\.\s*meta\b|^(?:.*=\s*)?await\b/m.test(code);
}

/** Where a module uses its own location. */
export interface SelfReference {
  /** The expression, such as `import.meta.url`. */
  readonly what: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based, as in esbuild. */
  readonly column: number;
}

const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".jsx": "jsx",
};
const MENTION = /\b__(?:dirname|filename)\b|\bimport\s*\.\s*meta\s*\.\s*(?:url|dirname|filename|resolve)\b/g;
/** Such a `require` is mostly used for modules that are built into Node, which it finds from anywhere. */
const OWN_REQUIRE = /\b(createRequire\w*\s*\(\s*)import\s*\.\s*meta\s*\.\s*url(?=\s*\))/g;

/** The first expression in a module's code, not in its comments or strings, that uses the module's location. */
export async function findSelfReference(path: string, text: string): Promise<SelfReference | undefined> {
  if (!refersToItself(text)) return undefined;
  const rest = text.replace(OWN_REQUIRE, (match, head: string) => head.padEnd(match.length));
  const mentions = [...rest.matchAll(MENTION)];
  const mention = mentions.find(({ index }) => !isInComment(rest, index)) ?? mentions[0];
  if (mention === undefined || !(await isInCode(path, rest))) return undefined;
  const before = rest.slice(0, mention.index).split("\n");
  return { what: mention[0], line: before.length, column: before.at(-1)?.length ?? 0 };
}

/** Lets esbuild parse the text. Files that do not compile are reported elsewhere. */
async function isInCode(path: string, text: string): Promise<boolean> {
  const { transform } = await import("esbuild");
  const loader = LOADERS[extname(path).toLowerCase()] ?? "js";
  const options = { loader, define: { ...SELF_REFERENCES }, legalComments: "none" } as const;
  const code = await transform(text, { ...options, logLevel: "silent", tsconfigRaw: "{}" }).then(
    (result) => result.code,
    () => "",
  );
  return Object.values(SELF).some((name) => code.includes(name));
}

function isInComment(text: string, index: number): boolean {
  const line = text.slice(text.lastIndexOf("\n", index - 1) + 1, index);
  return /^\s*(?:\/?\*|\/\/)|\s\/\/\s/.test(line);
}
