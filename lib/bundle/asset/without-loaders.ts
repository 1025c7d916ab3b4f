import type { Plugin } from "esbuild";

/** Entry point that gives migrations node-pg-migrate as the engine has it. */
export const engineEntry = "engine-copy";

const THROWING = 'throw new Error("migrations are compiled before they are deployed")';

/**
 * A function has its credentials in its environment, or is told there whom to ask for them. Asked once for each client,
 * of which an invocation makes one of its own.
 */
const CREDENTIALS = `
import { fromEnv } from "@aws-sdk/credential-provider-env";
import { fromHttp } from "@aws-sdk/credential-provider-http";
import { chain, memoize } from "@smithy/core/config";
export const defaultProvider = (init) => memoize(chain(fromEnv(init), async () => fromHttp(init)()));`;

/**
 * Modules that are imported but never used where migrations are compiled already. node-pg-migrate calls `createJiti`
 * when it is loaded, so only what that gives may throw.
 */
const STUBS: Readonly<Record<string, string>> = {
  [engineEntry]: 'export * from "node-pg-migrate";',
  jiti: `export const createJiti = () => ({ import: async () => { ${THROWING}; } });`,
  glob: `export const glob = async () => { ${THROWING}; };`,
  // Optional in pg, for other surroundings: what is installed here must not make a difference.
  "pg-native": `throw Object.assign(new Error("Cannot find module 'pg-native'"), { code: "MODULE_NOT_FOUND" });`,
  "pg-cloudflare": "",
  // What it loads when asked shares code with what is loaded at every start, which would come in many small files.
  "@aws-sdk/credential-provider-node": CREDENTIALS,
  // The Lambda client asks for it when it is made; nothing that is called here answers with a stream of events.
  "@smithy/core/event-streams":
    "export const resolveEventStreamSerdeConfig = (config) => config; export const eventStreamSerdeProvider = undefined;",
};

/** Leaves out what loads migrations from files, what is compiled for one kind of machine, and what only a laptop has. */
export function withoutLoaders(dir: string): Plugin {
  const names = Object.keys(STUBS).join("|");
  return {
    name: "without-loaders",
    setup(build) {
      build.onResolve({ filter: new RegExp(`^(?:${names})$`) }, ({ path }) => ({ path, namespace: "stub" }));
      build.onLoad({ filter: /.*/, namespace: "stub" }, ({ path }) => ({
        contents: STUBS[path] ?? "",
        resolveDir: dir,
      }));
    },
  };
}
