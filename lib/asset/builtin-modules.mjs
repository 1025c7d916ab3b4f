// @ts-check
// JavaScript, because bin/run.mjs needs it before anything is compiled.
import { isBuiltin } from "node:module";

/**
 * esbuild plugin that takes Node's own modules from `process.getBuiltinModule`. An `import` reads every export, which
 * makes Node load what it would otherwise load lazily: worker threads for `node:util`, readline for `node:fs`, `fetch`
 * for `node:http`. That was half of these modules' time at a function's start, and a tenth of a no-op command.
 * @type {import("esbuild").Plugin}
 */
export const builtinModules = {
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
