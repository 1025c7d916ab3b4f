import { isBuiltin } from "node:module";
import type { Plugin } from "esbuild";

/**
 * Takes Node's own modules from `process.getBuiltinModule`. An `import` of one reads everything that it exports, which
 * makes Node load what it keeps for when it is asked for: with `node:util` worker threads, with `node:fs` readline,
 * with `node:http` its whole `fetch`. Half of the time that these modules need at a function's start went there.
 */
export function builtinModules(): Plugin {
  return {
    name: "builtin-modules",
    setup(build) {
      build.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) => {
        if (kind === "entry-point" || !isBuiltin(path)) return undefined;
        return { path: path.replace(/^node:/, ""), namespace: "builtin", sideEffects: false };
      });
      build.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)});`,
      }));
    },
  };
}
