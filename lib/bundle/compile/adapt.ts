import { refersToItself } from "../source-text.ts";
import { MIXED } from "./exports.ts";

/** Names that stand for what a module knows of itself. */
export const SELF = {
  url: "__migration_url",
  dirname: "__migration_dirname",
  filename: "__migration_filename",
  resolve: "__migration_resolve",
} as const;

/** For esbuild: replaces what would tell of the compiled file. A variable of the same name is left alone. */
export const SELF_REFERENCES: Readonly<Record<string, string>> = {
  "import.meta.url": SELF.url,
  "import.meta.dirname": SELF.dirname,
  "import.meta.filename": SELF.filename,
  "import.meta.resolve": SELF.resolve,
  __dirname: SELF.dirname,
  __filename: SELF.filename,
};

/** Declares the function that makes an `import.meta.resolve`; what it needs is imported beside it. */
export const RESOLVER = [
  'import { createRequire as __migration_createRequire } from "node:module";',
  'import { pathToFileURL as __migration_toUrl } from "node:url";',
  "const __migration_resolver = (from) => (name) => /^(?:\\.{0,2}\\/|[a-z]+:)/i.test(name)",
  "  ? new URL(name, from).href : __migration_toUrl(__migration_createRequire(from).resolve(name)).href;",
].join("\n");

/**
 * A local module's text as esbuild is given it, with a statement before it where it refers to itself. Keeps
 * every line where it is, for stack traces.
 */
export function adaptModule(path: string, text: string, isMigration: boolean, selfKnowledge: string): string {
  const code = text.replace(/^\ufeff/, "").replace(/^#!/, "//");
  const mixed = isMigration && mixesModuleSystems(path, code);
  const self = refersToItself(code) ? selfKnowledge : "";
  if (!mixed) return self + code;
  return `${self}var module = { exports: {} }, exports = module.exports; ${code}\nexport { module as ${MIXED} };`;
}

/**
 * `export`, `import.meta`, a top-level `await` or the extension of an ES module beside `module.exports`:
 * node-pg-migrate's own .cjs template is such a file, and its loader accepts it. (`import` beside
 * `module.exports` esbuild accepts as well.)
 */
function mixesModuleSystems(path: string, code: string): boolean {
  if (!/\bmodule\s*\.\s*exports\b|\bexports\s*[.[]/.test(code)) return false;
  if (/\b(?:const|let|var|function|class|import)\s+(?:module|exports)\b/.test(code)) return false;
  return /\.m[jt]s$/i.test(path) || /^\s*export\b|\bimport\s*\.\s*meta\b|^(?:.*=\s*)?await\b/m.test(code);
}
