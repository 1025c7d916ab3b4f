// How the command line is bundled, for the package (build.mjs) and for a checkout (bin/run.mjs).
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";

/** Loaded when they are needed, from where they are installed. Migrations and the engine share one node-pg-migrate. */
const EXTERNAL = ["esbuild", "node-pg-migrate", "libpg-query", "pg-native", "pg-cloudflare"];

/**
 * As in the handlers (lib/bundle/asset/builtin-modules.ts): an `import` of a module of Node's reads all of its exports,
 * those too that Node loads only when they are asked for. That took a tenth of a command with nothing to do.
 */
export const builtinModules = {
  name: "builtin-modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, kind }) => {
      if (kind === "entry-point" || !isBuiltin(path)) return undefined;
      return { path: path.replace(/^node:/, ""), namespace: "builtin", sideEffects: false };
    });
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule("node:${path}");`,
    }));
  },
};

/** The one file that imports node-pg-migrate stays one of its own: in a single file every import is done at the start. */
const engineApart = {
  name: "engine-apart",
  setup({ onResolve }) {
    onResolve({ filter: /\/engine\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./engine.mjs", external: true } : undefined,
    );
  },
};

/** Takes these commands out of the file of the others: a third of the code, and V8 looks at all of it. */
const seldomLeftOut = {
  name: "seldom-left-out",
  setup({ onResolve, onLoad }) {
    const seldom = /\/commands\/(?:create|database|dump|history|lint|settle|verify)\.ts$/;
    onResolve({ filter: seldom }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path, namespace: "seldom" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "seldom" }, () => ({
      contents: 'throw new Error("this command is in all.mjs");',
    }));
  },
};

/**
 * The command line with its packages, twice: `often.mjs` for commands that are run every day and usually have nothing
 * to do, `all.mjs` for every command. One file each, because on Node 20 a module that is loaded costs about a
 * millisecond, and there were 90; what a command does not need is in its file too, but not run.
 */
export async function bundleCli(root, options) {
  const entry = join(root, "bin", "migrate.ts");
  const engine = join(root, "lib", "migrator", "engine.ts");
  return [
    await bundle({ often: entry }, [seldomLeftOut, engineApart, builtinModules], options),
    await bundle({ all: entry, engine }, [engineApart, builtinModules], options),
  ];
}

function bundle(entryPoints, plugins, options) {
  return build({
    entryPoints,
    plugins,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // Of a package that has both: only ES modules can be left out in part.
    mainFields: ["module", "main"],
    external: EXTERNAL,
    // Node shows the whole line that an error comes from.
    lineLimit: 160,
    ...options,
    define: {
      // Before Node 21 pg asks for it to find out whether it runs at Cloudflare, and Node loads its `fetch` to answer.
      Response: "undefined",
      // Another driver than the one that is in the file.
      "process.env.NODE_PG_FORCE_NATIVE": "undefined",
      ...options.define,
    },
  });
}
