import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import type { OnLoadResult, OnResolveArgs, OnResolveResult, Plugin } from "esbuild";
import type { CompileTarget } from "./migrations-plugin.ts";
import { isRequire, type ResolvedPackage } from "./resolve-import.ts";
import { RESOLVER, SELF } from "./self-reference.ts";

const REQUIRED = "required-package";
/** Hides the extension `.mjs`, by which esbuild would treat CommonJS as an ES module. */
const AS_REQUIRED = " as required";

/** Compiled code that runs on this machine: packages and other files are imported from where they are. */
export function localTarget(dir: string): CompileTarget {
  const base = JSON.stringify(pathToFileURL(`${dir}/migrations.mjs`).href);
  return {
    metafile: false,
    banner: `${RESOLVER}\nconst require = __migration_createRequire(${base});`,
    entry: { head: "", value: (load) => load },
    declareSelf,
    check: async () => [],
    resolvePackage,
    loadNative: (path) => requirePackage(path, false),
    plugin,
  };
}

function declareSelf(path: string): string {
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
 * An ES module is imported as Node would. CommonJS goes through `require`, so that named imports work that Node itself
 * does not find in every package; TypeScript users rely on them.
 */
function resolvePackage({ path, esm }: ResolvedPackage, args: OnResolveArgs): OnResolveResult {
  if (esm && !isRequire(args)) return { path: pathToFileURL(path).href, external: true };
  if (!esm && isRequire(args)) return { path, external: true };
  return { path: `${path}${AS_REQUIRED}`, namespace: REQUIRED, pluginData: esm };
}

const plugin: Plugin = {
  name: "required-packages",
  setup(build) {
    build.onResolve({ filter: /.*/, namespace: REQUIRED }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /.*/, namespace: REQUIRED }, ({ path, pluginData }) =>
      requirePackage(path.slice(0, -AS_REQUIRED.length), pluginData === true),
    );
  },
};

function requirePackage(path: string, esm: boolean): OnLoadResult {
  const url = JSON.stringify(pathToFileURL(path).href);
  const contents = esm
    ? `import * as contents from ${url}; module.exports = contents;`
    : `module.exports = require(${JSON.stringify(path)});`;
  return { contents, loader: "js" };
}
