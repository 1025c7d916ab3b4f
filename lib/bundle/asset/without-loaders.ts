import type { Plugin } from "esbuild";

/** Entry point that gives migrations node-pg-migrate as the engine has it. */
export const engineEntry = "engine-copy";

const THROWING = 'throw new Error("migrations are compiled before they are deployed")';

/** Where credentials come from on somebody's machine; the chain of the AWS client then asks its next source. */
const notInLambda = (name: string) =>
  `export const ${name} = () => async () => { throw Object.assign(new Error("not in Lambda"), { tryNextLink: true }); };`;

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
  // A function has its credentials in its environment, or is told there where to ask for them. These bring clients
  // of other services, and what they share with ours would be loaded at every start.
  "@aws-sdk/credential-provider-ini": notInLambda("fromIni"),
  "@aws-sdk/credential-provider-process": notInLambda("fromProcess"),
  "@aws-sdk/credential-provider-sso": notInLambda("fromSSO"),
  "@aws-sdk/credential-provider-web-identity": notInLambda("fromTokenFile"),
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
