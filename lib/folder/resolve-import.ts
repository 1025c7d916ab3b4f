import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname, relative, sep } from "node:path";
import type { OnResolveArgs, PluginBuild } from "esbuild";
import { property } from "../core/index.ts";
import { nearest } from "./cache-dir.ts";

/** What an import in a local module resolves to. */
export type ResolvedImport =
  /** Built into Node, or a URL: left as it is. */
  | { readonly kind: "node" }
  /** Compiled with the migration; `own` unless it came with a package. */
  | { readonly kind: "local"; readonly path: string; readonly own: boolean }
  | ResolvedPackage
  | { readonly kind: "missing" };

export interface ResolvedPackage {
  readonly kind: "package";
  readonly path: string;
  readonly esm: boolean;
  /** An `import` that resolves as a `require` would. */
  readonly asRequired: boolean;
}

/** Marks resolve calls of our own, which the plugins must not answer. */
export const QUESTION = Symbol("question");

const ENGINE = /^node-pg-migrate(?:\/|$)/;
const SOURCE_ONLY = /\.[cm]?tsx?$/i;

/** Resolves each specifier once per folder: migrations import the same few modules. */
export function importResolver(build: PluginBuild): (args: OnResolveArgs) => Promise<ResolvedImport> {
  const cache = new Map<string, Promise<ResolvedImport>>();
  return (args) => {
    const key = JSON.stringify([args.path, args.resolveDir, isRequire(args), compilesToRequire(args)]);
    const cached = cache.get(key);
    if (cached !== undefined) return cached;
    const resolved = resolveImport(build, args);
    cache.set(key, resolved);
    return resolved;
  };
}

export function isRequire(args: Pick<OnResolveArgs, "kind">): boolean {
  return args.kind === "require-call" || args.kind === "require-resolve";
}

async function resolveImport(build: PluginBuild, args: OnResolveArgs): Promise<ResolvedImport> {
  const { path } = args;
  if (isBuiltin(path) || /^[a-z][a-z\d+.-]+:/i.test(path)) return { kind: "node" };
  const resolved = await resolvePath(build, args);
  if (resolved === undefined) return { kind: "missing" };
  return isInPackage(args, resolved)
    ? packageImport(resolved, compilesToRequire(args))
    : { kind: "local", path: resolved, own: true };
}

/**
 * Whether TypeScript compiles this `import` to a `require`: it does in a package that is not `"type": "module"`. Some
 * packages have a build for `import` that only bundlers can load, which such projects do not notice.
 */
function compilesToRequire({ kind, path, importer }: OnResolveArgs): boolean {
  return (
    kind === "import-statement" &&
    !/^[./#]/.test(path) &&
    /\.c?tsx?$/i.test(importer) &&
    (/\.cts$/i.test(importer) || !isInModulePackage(importer))
  );
}

/** A package that has TypeScript only cannot run as it is, so it is compiled. */
function packageImport(path: string, asRequired: boolean): ResolvedImport {
  return SOURCE_ONLY.test(path)
    ? { kind: "local", path, own: false }
    : { kind: "package", path, esm: isEsModule(path), asRequired };
}

async function resolvePath(build: PluginBuild, args: OnResolveArgs): Promise<string | undefined> {
  // Since Node 20.19 a package with only an "import" entry can be required.
  const required = isRequire(args) || compilesToRequire(args);
  const kinds = required ? (["require-call", "import-statement"] as const) : [args.kind];
  // A folder outside every package may still import the engine: it gets this package's copy.
  const folders = ENGINE.test(args.path) ? [args.resolveDir, import.meta.dirname] : [args.resolveDir];
  for (const resolveDir of folders) {
    for (const kind of kinds) {
      const answer = await build.resolve(args.path, { kind, resolveDir, pluginData: QUESTION });
      // Its errors may be about a tsconfig.json that cannot be parsed; the answer is right without it.
      if (answer.path !== "" && !answer.external) return answer.path;
    }
  }
  return undefined;
}

/**
 * A file reached by a relative path belongs where its importer does, even if everything is below node_modules; a bare
 * name is a package unless it leads out of there (a workspace, a tsconfig path).
 */
function isInPackage(args: OnResolveArgs, resolved: string): boolean {
  const isRelative = /^(?:\.{1,2}(?:\/|$)|[/#])/.test(args.path);
  const path = isRelative ? relative(dirname(args.importer), resolved) : resolved;
  return path.split(sep).includes("node_modules");
}

/** Whether Node treats an installed file as an ES module: by its extension, else by its package. */
function isEsModule(path: string): boolean {
  const extension = extname(path);
  if (extension === ".mjs") return true;
  return (extension === ".js" || extension === "") && isInModulePackage(path);
}

/** Whether the nearest package.json has `"type": "module"`. */
function isInModulePackage(path: string): boolean {
  const manifest = nearest(dirname(path), "package.json");
  if (manifest === undefined) return false;
  try {
    const content: unknown = JSON.parse(readFileSync(manifest, "utf8"));
    return property(content, "type") === "module";
  } catch {
    return false;
  }
}
