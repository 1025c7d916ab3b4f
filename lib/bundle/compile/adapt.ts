import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

/** Names that stand for what a module knows of itself. */
const SELF = {
  url: "__migration_url",
  dirname: "__migration_dirname",
  filename: "__migration_filename",
  resolve: "__migration_resolve",
} as const;

/** The name under which a module that mixes both module systems exports its `module`. */
export const MIXED = "__migration_module";

/** For esbuild: replaces what would tell of the compiled file. A variable of the same name is left alone. */
export const SELF_REFERENCES: Readonly<Record<string, string>> = {
  "import.meta.url": SELF.url,
  "import.meta.dirname": SELF.dirname,
  "import.meta.filename": SELF.filename,
  "import.meta.resolve": SELF.resolve,
  __dirname: SELF.dirname,
  __filename: SELF.filename,
};

/** Goes before all compiled code; `require` starts from the migrations folder. */
export function banner(dir: string): string {
  const base = JSON.stringify(pathToFileURL(`${dir}/migrations.mjs`).href);
  return [
    'import { createRequire as __migration_createRequire } from "node:module";',
    'import { pathToFileURL as __migration_toUrl } from "node:url";',
    `const require = __migration_createRequire(${base});`,
    "const __migration_resolver = (from) => (name) => /^(?:\\.{0,2}\\/|[a-z]+:)/i.test(name)",
    "  ? new URL(name, from).href : __migration_toUrl(__migration_createRequire(from).resolve(name)).href;",
  ].join("\n");
}

/** A local module's text as esbuild is given it. Keeps every line where it is, for stack traces. */
export function adaptModule(path: string, text: string, isMigration: boolean): string {
  const code = text.replace(/^\ufeff/, "").replace(/^#!/, "//");
  const mixed = isMigration && mixesModuleSystems(path, code);
  const self = /\b__(?:dirname|filename)\b|\bimport\s*\.\s*meta\b/.test(code) ? selfKnowledge(path) : "";
  if (!mixed) return self + code;
  return `${self}var module = { exports: {} }, exports = module.exports; ${code}\nexport { module as ${MIXED} };`;
}

function selfKnowledge(path: string): string {
  const url = JSON.stringify(pathToFileURL(path).href);
  const names = [
    `${SELF.url} = ${url}`,
    `${SELF.dirname} = ${JSON.stringify(dirname(path))}`,
    `${SELF.filename} = ${JSON.stringify(path)}`,
    `${SELF.resolve} = __migration_resolver(${url})`,
  ];
  return `var ${names.join(", ")}; `;
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
