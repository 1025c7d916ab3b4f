import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname, resolve } from "node:path";
import type { Metafile, OnResolveArgs, OnResolveResult, PartialMessage, Plugin, PluginBuild } from "esbuild";
import { LOCAL } from "./migrations-plugin.ts";
import { isRequire, QUESTION } from "./resolve-import.ts";
import { findSelfReference, SELF, type SelfReference } from "./self-reference.ts";
import { refersToItself } from "./source-text.ts";

/** The asset's copy, relative to the compiled module: migrations get the same classes as the engine. */
const ENGINE_COPY = "../node-pg-migrate.mjs";

/** Namespaces of modules that stand for a required ES module, and for an optional package that is not installed. */
const REQUIRED = "required-module";
const ABSENT = "absent-module";

/** Compiles packages together with the migrations that import them. */
export function bundlePackages(dir: string): Plugin {
  return {
    name: "bundle-packages",
    setup(build) {
      answerRequires(build);
      const selfReferences = new Map<string, SelfReference>();
      build.onResolve({ filter: /^node-pg-migrate$/ }, engineCopy);
      build.onResolve({ filter: /^\.\.\/node-pg-migrate\.mjs$/, namespace: REQUIRED }, ({ path }) => ({
        path,
        external: true,
      }));
      build.onResolve({ filter: /^file:/, namespace: LOCAL }, refuseFileUrl);
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, async ({ path }) => {
        const original = readFileSync(path, "utf8");
        if (!refersToItself(original)) return undefined;
        const text = requireByRelativePath(original);
        const reference = await findSelfReference(path, text);
        if (reference !== undefined) selfReferences.set(path, reference);
        return { contents: withOwnUrl(text), loader: loaderOf(path), resolveDir: dirname(path) };
      });
      build.onEnd(({ metafile }) => ({ errors: refuseSelfReferences(dir, metafile, selfReferences) }));
    },
  };
}

function engineCopy(args: OnResolveArgs): OnResolveResult | undefined {
  if (args.pluginData === QUESTION) return undefined;
  if (!isRequire(args)) return { path: ENGINE_COPY, external: true };
  return requiredModule(ENGINE_COPY, ENGINE_COPY, args.resolveDir);
}

function refuseFileUrl({ path }: OnResolveArgs): OnResolveResult {
  return { errors: [{ text: `"${path}" is an absolute location; import it by a relative path` }] };
}

/** Stands for an ES module that is required: imports it by this name from this folder. */
export function requiredModule(path: string, name: string, resolveDir: string): OnResolveResult {
  // The path must not end in `.mjs`, by which esbuild would treat CommonJS as an ES module.
  return { path: `${path} as required`, namespace: REQUIRED, pluginData: [name, resolveDir] };
}

/** Gives `require` in packages the meaning it has in Node. */
function answerRequires(build: PluginBuild): void {
  // Optional in pg: whether they are installed here must make no difference.
  build.onResolve({ filter: /^pg-(?:native|cloudflare)$/ }, ({ path }) => ({ path, namespace: ABSENT }));
  build.onResolve({ filter: /^[^./#]/, namespace: "file" }, async (args) =>
    args.kind === "require-call" && args.pluginData !== QUESTION && !isBuiltin(args.path)
      ? answerRequire(build, args)
      : undefined,
  );
  build.onLoad({ filter: /.*/, namespace: REQUIRED }, ({ pluginData }) => {
    const [name, resolveDir] = Array.isArray(pluginData) ? pluginData.map(String) : [];
    const contents = `import * as contents from ${JSON.stringify(name)}; module.exports = contents;`;
    return resolveDir === undefined ? { contents } : { contents, resolveDir };
  });
  build.onLoad({ filter: /.*/, namespace: ABSENT }, ({ path }) => ({
    contents: `throw Object.assign(new Error(${JSON.stringify(`Cannot find module '${path}'`)}), { code: "MODULE_NOT_FOUND" });`,
  }));
}

/** A package may require an optional one that is not installed: that fails when it is executed, not before. */
async function answerRequire(build: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | undefined> {
  const { path, resolveDir } = args;
  const resolveAs = (kind: "require-call" | "import-statement") =>
    build.resolve(path, { kind, resolveDir, pluginData: QUESTION });
  if ((await resolveAs("require-call")).errors.length === 0) return undefined;
  const imported = await resolveAs("import-statement");
  return imported.errors.length === 0 && !imported.external
    ? requiredModule(imported.path, path, resolveDir)
    : { path, namespace: ABSENT };
}

/** `require(__dirname + "/file.js")`, the same with a template literal, and with `path.join`. */
const RELATIVE_REQUIRES = [
  /\brequire\s*\(\s*__dirname\s*\+\s*(["'`])\/([^"'`$\\\n]+)\1\s*\)/g,
  /\brequire\s*\(\s*(`)\$\{\s*__dirname\s*\}\/([^`$\\\n]+)`\s*\)/g,
  /\brequire\s*\(\s*path\s*\.\s*(?:join|resolve)\s*\(\s*__dirname\s*,\s*(["'`])([^"'`$\\\n]+)\1\s*\)\s*\)/g,
];

/** Replaces the computed path of a neighbouring file by a relative one, so that esbuild finds the file and compiles it. */
function requireByRelativePath(text: string): string {
  return RELATIVE_REQUIRES.reduce(
    (rest, pattern) =>
      rest.replace(pattern, (_match, _quote, name: string) => `require(${JSON.stringify(`./${name}`)})`),
    text,
  );
}

/** Declares the compiled module's URL, which `createRequire` may still use; see `findSelfReference`. */
function withOwnUrl(text: string): string {
  return `var ${SELF.url} = __migration_here; ${text.replace(/^\ufeff/, "").replace(/^#!/, "//")}`;
}

function loaderOf(path: string): "ts" | "tsx" | "jsx" | "js" {
  const extension = extname(path);
  if (extension === ".tsx" || extension === ".jsx") return extension === ".tsx" ? "tsx" : "jsx";
  return /ts$/.test(extension) ? "ts" : "js";
}

/** Refuses modules that use their own location, except those that tree shaking removed. */
function refuseSelfReferences(
  dir: string,
  metafile: Metafile | undefined,
  selfReferences: ReadonlyMap<string, SelfReference>,
): PartialMessage[] {
  const outputs = Object.values(metafile?.outputs ?? {});
  const used = outputs.flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([input, { bytesInOutput }]) =>
      bytesInOutput > 0 ? [resolve(dir, input)] : [],
    ),
  );
  return used.flatMap((path) => {
    const reference = selfReferences.get(path);
    if (reference === undefined) return [];
    const { what, line, column } = reference;
    const text = `uses its own location (${what}), as packages do that load native or data files; they are not deployed with migrations: use another package, or the data without it`;
    return [{ text, location: { file: path, line, column } }];
  });
}
