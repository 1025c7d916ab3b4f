import { isBuiltin } from "node:module";
import type { OnResolveArgs, OnResolveResult, PluginBuild } from "esbuild";
import { QUESTION } from "./targets.ts";

/** Modules that stand for ES modules which are required, and for what a package can do without. */
export const REQUIRED = "required-module";
const ABSENT = "absent-module";

/** An ES module as `require` gives it: the one that the folder imports by this name. */
export function requiredModule(path: string, name: string, resolveDir: string): OnResolveResult {
  // The path must not end in `.mjs`, by which esbuild would take CommonJS for an ES module.
  return { path: `${path} as required`, namespace: REQUIRED, pluginData: [name, resolveDir] };
}

/** Gives `require` in packages the meaning it has in Node. */
export function answerRequires(build: PluginBuild): void {
  // Optional in pg, for other surroundings: what is installed here must not make a difference.
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

/** A package may require what only some of its users install: it fails when it comes to that, not before. */
async function answerRequire(build: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | undefined> {
  const { path, resolveDir } = args;
  const ask = (kind: "require-call" | "import-statement") =>
    build.resolve(path, { kind, resolveDir, pluginData: QUESTION });
  if ((await ask("require-call")).errors.length === 0) return undefined;
  const imported = await ask("import-statement");
  return imported.errors.length === 0 && !imported.external
    ? requiredModule(imported.path, path, resolveDir)
    : { path, namespace: ABSENT };
}
