// How the command line is bundled, for the package (build.mjs) and for a checkout (bin/run.mjs).
import { join } from "node:path";
import { build } from "esbuild";
import { builtinModules } from "../lib/asset/builtin-modules.mjs";

/** Loaded on demand from where they are installed. Migrations and the engine share one node-pg-migrate. */
const EXTERNAL = [
  "acorn",
  "esbuild",
  "node-pg-migrate",
  "libpg-query",
  "@hpcc-js/wasm-graphviz",
  "pg-native",
  "pg-cloudflare",
];

/** Keeps the file that imports node-pg-migrate out of the bundle: inside it, the import would run at every start. */
const engineApart = {
  name: "engine-apart",
  setup({ onResolve }) {
    onResolve({ filter: /\/node-pg-migrate\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./engine.mjs", external: true } : undefined,
    );
  },
};

/**
 * The command line with its packages in one file, because on Node 20 each loaded module costs about a millisecond, and
 * there were 90.
 */
export function bundleCli(root, options) {
  const cli = join(root, "bin", "migrate.ts");
  const engine = join(root, "lib", "engine", "node-pg-migrate.ts");
  return build({
    entryPoints: { cli, engine },
    plugins: [engineApart, builtinModules],
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // Tree shaking needs ES modules, where a package has both.
    mainFields: ["module", "main"],
    external: EXTERNAL,
    // Node shows the whole line that an error comes from.
    lineLimit: 160,
    ...options,
    define: {
      // Before Node 21 pg reads `Response` to detect Cloudflare, which makes Node load its `fetch`.
      Response: "undefined",
      // It would replace the driver that is in the bundle.
      "process.env.NODE_PG_FORCE_NATIVE": "undefined",
      ...options.define,
    },
  });
}
