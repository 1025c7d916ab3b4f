import { readFileSync } from "node:fs";
import { dirname, extname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, Plugin } from "esbuild";
import { adaptModule } from "./adapt.ts";
import { isRequire, QUESTION, type Target, targetFinder } from "./targets.ts";

/** A module to compile: a migration's name and the absolute path of its file. */
export interface ModuleFile {
  readonly name: string;
  readonly path: string;
}

/** Called for each import of a local module: whose it is and where it leads. */
export type OnImport = (importer: string, path: string, target: Target) => void;

/**
 * Not esbuild's own "file": there the nearest package.json and tsconfig.json decide what a file may
 * contain, and a migration works the same whatever project it lies in.
 */
export const LOCAL = "migration";
type PackageTarget = Extract<Target, { readonly kind: "package" }>;

const ENTRY = "entry";
const REQUIRED = "required-package";

const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".cjs": "js",
  ".jsx": "jsx",
  ".json": "json",
  ".sql": "text",
  ".txt": "text",
};

/** One module whose export `migrations` evaluates each migration when it is called by name. */
export function migrationsPlugin(modules: readonly ModuleFile[], onImport: OnImport): Plugin {
  const migrations = new Set(modules.map(({ path }) => path));
  const parts = modules.map(
    ({ name, path }) => `[${JSON.stringify(name)}, () => import(${JSON.stringify(path)})]`,
  );
  const entry = `export const migrations = new Map([\n${parts.join(",\n")}\n]);`;
  return {
    name: "migrations",
    setup(build) {
      const find = targetFinder(build);
      build.onResolve({ filter: /.*/ }, async (args) => {
        if (args.pluginData === QUESTION) return undefined;
        if (args.kind === "entry-point") return { path: args.path, namespace: ENTRY };
        if (args.namespace === ENTRY) return { path: args.path, namespace: LOCAL };
        if (args.namespace === REQUIRED) return { path: args.path, external: true };
        const target = await find(args);
        onImport(args.importer, args.path, target);
        return answer(target, args);
      });
      build.onLoad({ filter: /.*/, namespace: ENTRY }, () => ({ contents: entry, loader: "js" }));
      build.onLoad({ filter: /.*/, namespace: REQUIRED }, ({ path, pluginData }) =>
        requiredPackage(path, pluginData === true),
      );
      build.onLoad({ filter: /.*/, namespace: LOCAL }, ({ path }) => localModule(path, migrations.has(path)));
    },
  };
}

function answer(target: Target, args: OnResolveArgs): OnResolveResult | undefined {
  switch (target.kind) {
    case "node":
      return { path: args.path, external: true };
    case "local":
      return { path: target.path, namespace: LOCAL };
    case "package":
      return packageAnswer(target, args);
    case "missing":
      // esbuild asks in vain once more, and words the error; it forgives a require inside try.
      return undefined;
  }
}

/**
 * An ES module is imported as Node would. Anything else goes through `require`, so that named imports
 * work that Node itself finds in some CommonJS packages only; TypeScript users rely on them.
 */
function packageAnswer({ path, esm }: PackageTarget, args: OnResolveArgs): OnResolveResult {
  if (esm && !isRequire(args)) return { path: pathToFileURL(path).href, external: true };
  if (!esm && isRequire(args)) return { path, external: true };
  return { path, namespace: REQUIRED, pluginData: esm };
}

/** What `require` or a named import of a package goes through. */
function requiredPackage(path: string, esm: boolean): OnLoadResult {
  const url = JSON.stringify(pathToFileURL(path).href);
  const contents = esm
    ? `import * as contents from ${url}; module.exports = contents;`
    : `module.exports = require(${JSON.stringify(path)});`;
  return { contents, loader: "js" };
}

function localModule(path: string, isMigration: boolean): OnLoadResult {
  const extension = extname(path).toLowerCase();
  const loader = LOADERS[extension];
  if (extension === ".node" || extension === ".wasm") return requiredPackage(path, false);
  if (loader === undefined) {
    const text = `a file with the extension "${extension}" cannot be imported by a migration: ${path}`;
    return { errors: [{ text }] };
  }
  const text = readFileSync(path, "utf8");
  const code = loader === "json" || loader === "text" ? text : adaptModule(path, text, isMigration);
  return { contents: code, loader, resolveDir: dirname(path) };
}
