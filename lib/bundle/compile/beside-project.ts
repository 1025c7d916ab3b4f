import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import type { OnLoadResult, OnResolveArgs, OnResolveResult, Plugin } from "esbuild";
import { RESOLVER, SELF } from "./adapt.ts";
import type { PackageTarget, Surroundings } from "./surroundings.ts";
import { isRequire } from "./targets.ts";

const REQUIRED = "required-package";
/** Hides the extension `.mjs`, by which esbuild would take CommonJS for an ES module. */
const AS_REQUIRED = " as required";

/** On the machine of the project: packages are imported from where they are, and so are files. */
export function besideProject(dir: string): Surroundings {
  const base = JSON.stringify(pathToFileURL(`${dir}/migrations.mjs`).href);
  return {
    metafile: false,
    banner: `${RESOLVER}\nconst require = __migration_createRequire(${base});`,
    entry: { head: "", value: (load) => load },
    selfKnowledge,
    check: async () => [],
    packageAnswer,
    binary: (path) => requiredPackage(path, false),
    plugin,
  };
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
 * An ES module is imported as Node would. Anything else goes through `require`, so that named imports
 * work that Node itself finds in some CommonJS packages only; TypeScript users rely on them.
 */
function packageAnswer({ path, esm }: PackageTarget, args: OnResolveArgs): OnResolveResult {
  if (esm && !isRequire(args)) return { path: pathToFileURL(path).href, external: true };
  if (!esm && isRequire(args)) return { path, external: true };
  return { path: `${path}${AS_REQUIRED}`, namespace: REQUIRED, pluginData: esm };
}

const plugin: Plugin = {
  name: "packages-beside",
  setup(build) {
    build.onResolve({ filter: /.*/, namespace: REQUIRED }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /.*/, namespace: REQUIRED }, ({ path, pluginData }) =>
      requiredPackage(path.slice(0, -AS_REQUIRED.length), pluginData === true),
    );
  },
};

/** What `require` or a named import of a package goes through. */
function requiredPackage(path: string, esm: boolean): OnLoadResult {
  const url = JSON.stringify(pathToFileURL(path).href);
  const contents = esm
    ? `import * as contents from ${url}; module.exports = contents;`
    : `module.exports = require(${JSON.stringify(path)});`;
  return { contents, loader: "js" };
}
