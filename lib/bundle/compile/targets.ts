import { isBuiltin } from "node:module";
import { dirname, relative, sep } from "node:path";
import type { OnResolveArgs, PluginBuild } from "esbuild";
import { isEsModule, isInModulePackage } from "./module-type.ts";

/** Where an import leads. */
export type Target =
  /** Built into Node, or a URL: left as it is. */
  | { readonly kind: "node" }
  /** Compiled with the migration; `own` unless it came with a package. */
  | { readonly kind: "local"; readonly path: string; readonly own: boolean }
  /** Imported from where it is when the migration runs. */
  | {
      readonly kind: "package";
      readonly path: string;
      readonly esm: boolean;
      /** An `import` that leads where a `require` would. */
      readonly asRequired: boolean;
    }
  | { readonly kind: "missing" };

/** Marks our own questions to esbuild, which the plugin must not answer. */
export const QUESTION = Symbol("question");

const ENGINE = /^node-pg-migrate(?:\/|$)/;
const SOURCE_ONLY = /\.[cm]?tsx?$/i;

/** Answers each question once: migrations of one folder import the same few things. */
export function targetFinder(build: PluginBuild): (args: OnResolveArgs) => Promise<Target> {
  const found = new Map<string, Promise<Target>>();
  return (args) => {
    const key = JSON.stringify([args.path, args.resolveDir, isRequire(args), compilesToRequire(args)]);
    const known = found.get(key);
    if (known !== undefined) return known;
    const target = findTarget(build, args);
    found.set(key, target);
    return target;
  };
}

export function isRequire(args: Pick<OnResolveArgs, "kind">): boolean {
  return args.kind === "require-call" || args.kind === "require-resolve";
}

async function findTarget(build: PluginBuild, args: OnResolveArgs): Promise<Target> {
  const { path } = args;
  if (isBuiltin(path) || /^[a-z][a-z\d+.-]+:/i.test(path)) return { kind: "node" };
  const resolved = await resolvePath(build, args);
  if (resolved === undefined) return { kind: "missing" };
  return inPackage(args, resolved)
    ? packageTarget(resolved, compilesToRequire(args))
    : { kind: "local", path: resolved, own: true };
}

/**
 * TypeScript makes a `require` of an `import` in a package that is not `"type": "module"`. Some packages have a build
 * for `import` that only bundlers can load, which nobody notices there.
 */
function compilesToRequire({ kind, path, importer }: OnResolveArgs): boolean {
  return (
    kind === "import-statement" &&
    !/^[./#]/.test(path) &&
    /\.c?tsx?$/i.test(importer) &&
    (/\.cts$/i.test(importer) || !isInModulePackage(importer))
  );
}

/** A package of TypeScript alone cannot be run where it is. */
function packageTarget(path: string, asRequired: boolean): Target {
  return SOURCE_ONLY.test(path)
    ? { kind: "local", path, own: false }
    : { kind: "package", path, esm: isEsModule(path), asRequired };
}

async function resolvePath(build: PluginBuild, args: OnResolveArgs): Promise<string | undefined> {
  // A package with an "import" entry alone can be required since Node 20.19.
  const required = isRequire(args) || compilesToRequire(args);
  const kinds = required ? (["require-call", "import-statement"] as const) : [args.kind];
  // A folder outside every package may still import the engine: it gets the one this package has.
  const folders = ENGINE.test(args.path) ? [args.resolveDir, import.meta.dirname] : [args.resolveDir];
  for (const resolveDir of folders) {
    for (const kind of kinds) {
      const answer = await build.resolve(args.path, { kind, resolveDir, pluginData: QUESTION });
      // A tsconfig.json that cannot be parsed is reported beside an answer that is right without it.
      if (answer.path !== "" && !answer.external) return answer.path;
    }
  }
  return undefined;
}

/**
 * What a file reaches by a relative path belongs to whom the file does, even if all of it was installed
 * into node_modules; a bare name is a package unless it leads out of there (a workspace, a tsconfig path).
 */
function inPackage(args: OnResolveArgs, resolved: string): boolean {
  const near = /^(?:\.{1,2}(?:\/|$)|[/#])/.test(args.path);
  const place = near ? relative(dirname(args.importer), resolved) : resolved;
  return place.split(sep).includes("node_modules");
}
