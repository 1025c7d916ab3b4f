import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { BuildOptions, Metafile, Plugin } from "esbuild";
import { type FileProblem, MigrationError, problemLine, problemLines, property } from "../core/index.ts";
import type { AssetFiles } from "./asset-cache.ts";
import { builtinModules } from "./builtin-modules.mjs";

/** Entry points that use the engine; the functions' settings name them. */
const ENGINE_HANDLERS = ["on-deploy", "on-status", "on-operate", "on-rotate", "on-fleet-target"];

/** Those that run outside the VPC and without the engine. */
const OUTSIDE_HANDLERS = ["on-stack-event", "on-fleet", "on-fleet-event"];

export const HANDLERS: readonly string[] = [...ENGINE_HANDLERS, ...OUTSIDE_HANDLERS];

/** Whether only a fleet has the function of this entry point. */
export function isFleetHandler(fileName: string): boolean {
  return fileName.startsWith("on-fleet");
}

/** The engine's copy of node-pg-migrate, for migrations that import it. */
export const ENGINE_COPY = "node-pg-migrate";

const ENGINE_ENTRY = "engine-copy";

const sharedPart = (number: number): string => `part-${number}.mjs`;

/** Whether a file holds what several outputs share. */
export function isSharedPart(fileName: string): boolean {
  return /^part-\d+\.mjs$/.test(fileName);
}

export interface CompiledHandlers {
  readonly files: AssetFiles;
  readonly metafile: Metafile;
}

/**
 * Compiles the handlers that use the engine together, so that they share code and load node-pg-migrate only to build a
 * migration, and each of the others alone. The same sources give the same bytes, wherever they are.
 * @throws MigrationError with esbuild's messages.
 */
export async function compileHandlers(dir: string): Promise<CompiledHandlers> {
  const { build } = await import("esbuild");
  try {
    const engineEntries = [...ENGINE_HANDLERS.map(entry), { in: ENGINE_ENTRY, out: ENGINE_COPY }];
    const outside = buildOptions(dir, OUTSIDE_HANDLERS.map(entry));
    // They are not split: their parts would have the names of the others' parts.
    const builds = [buildOptions(dir, engineEntries), { ...outside, splitting: false, minify: true }];
    const built = await Promise.all(
      builds.map((options) => build({ ...options, write: false, metafile: true })),
    );
    const files = built.flatMap(({ outputFiles, metafile }) => {
      const texts = outputFiles.map(({ path, text }) => [path.replace(/^.*[\\/]/, ""), text] as const);
      return [...withStableNames(new Map(texts), metafile)];
    });
    const metafiles = built.map(({ metafile }) => metafile);
    return {
      files: new Map(files),
      metafile: {
        inputs: Object.assign({}, ...metafiles.map(({ inputs }) => inputs)),
        outputs: Object.assign({}, ...metafiles.map(({ outputs }) => outputs)),
      },
    };
  } catch (cause) {
    throw handlersError(cause);
  }
}

type Entry = { readonly in: string; readonly out: string };

function entry(name: string): Entry {
  return { in: `./${name}.ts`, out: name };
}

function buildOptions(dir: string, entryPoints: Entry[]): BuildOptions {
  return {
    absWorkingDir: dir,
    entryPoints,
    outdir: "out",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // Tree shaking needs ES modules, where a package has both.
    mainFields: ["module", "main"],
    // Minified identifiers with keepNames, for stacks in logs, would cost a tenth of a function's start.
    minifySyntax: true,
    minifyWhitespace: true,
    // One character beyond Latin-1 makes V8 store and parse a whole file in two bytes per character.
    charset: "ascii",
    legalComments: "none",
    // Before Node 21 pg reads `Response` to detect Cloudflare, which makes Node load its `fetch`.
    define: { Response: "undefined" },
    plugins: [leanClients, withoutLoaders(dir), builtinModules],
    tsconfigRaw: "{}",
    logLevel: "silent",
  };
}

const THROWING = 'throw new Error("migrations are compiled before they are deployed")';

/**
 * A function's credentials are in its environment, or the environment names the URL to fetch them from. Resolved once per
 * client; every invocation creates its own client.
 */
const CREDENTIALS = `
import { fromEnv } from "@aws-sdk/credential-provider-env";
import { fromHttp } from "@aws-sdk/credential-provider-http";
import { chain, memoize } from "@smithy/core/config";
export const defaultProvider = (init) => memoize(chain(fromEnv(init), async () => fromHttp(init)()));`;

/** Replacements of modules that are imported but not used in a function. */
const STUBS: Readonly<Record<string, string>> = {
  [ENGINE_ENTRY]: 'export * from "node-pg-migrate";',
  // node-pg-migrate calls `createJiti` when it is loaded, so only its result may throw.
  jiti: `export const createJiti = () => ({ import: async () => { ${THROWING}; } });`,
  glob: `export const glob = async () => { ${THROWING}; };`,
  // Optional in pg: whether they are installed here must make no difference.
  "pg-native": `throw Object.assign(new Error("Cannot find module 'pg-native'"), { code: "MODULE_NOT_FOUND" });`,
  "pg-cloudflare": "",
  // Its lazily loaded providers share code with what every start loads, which splitting would cut into many small files.
  "@aws-sdk/credential-provider-node": CREDENTIALS,
  // All that the signer of tokens takes from it.
  "@aws-sdk/credential-providers": `${CREDENTIALS}
export const fromNodeProviderChain = defaultProvider;`,
  // The Lambda client configures it when it is created; no operation that is called here streams events.
  "@smithy/core/event-streams":
    "export const resolveEventStreamSerdeConfig = (config) => config; export const eventStreamSerdeProvider = undefined;",
};

/** Replaces what loads migrations from files, native modules, and what only a developer's machine has. */
function withoutLoaders(dir: string): Plugin {
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

/**
 * Lets tree shaking remove what the schemas of an AWS client say about operations and errors that nobody uses: most of
 * them. Errors are registered, and keys computed from constants, both of which count as effects. Without its class, an
 * error is of the client's base class, with the same message, and the service's own code is its name. It saves 12 ms of CPU
 * time on a start where Lambda's share of a processor is a whole one.
 */
const leanClients: Plugin = {
  name: "lean-clients",
  setup(build) {
    build.onLoad({ filter: /client-[\w-]+[\\/]dist-es[\\/]schemas[\\/]schemas_0\.js$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const constants = new Map(
        [...text.matchAll(/^const (\w+) = ("\w+");$/gm)].map(([, name, value]) => [name, value]),
      );
      const contents = text
        .replaceAll(/^n0_registry\.registerError\(.*$/gm, "")
        .replaceAll(/\[(\w+)\]:/g, (key, name: string) => `${constants.get(name) ?? key}:`);
      return { contents };
    });
  },
};

/**
 * Output files with numbers in the names of shared parts, in the order of imports: esbuild's hashes depend on where
 * packages are installed. Parts that nothing imports are left out: dynamic imports in unused code leave their targets.
 */
function withStableNames(
  files: ReadonlyMap<string, string>,
  { outputs }: Metafile,
): ReadonlyMap<string, Uint8Array> {
  const names = stableNames(outputs);
  const hashed = /[\w.-]+-[A-Z0-9]{8}\.mjs/g;
  const rename = (text: string) => text.replace(hashed, (name) => names.get(name) ?? name);
  const imported = [...files].filter(([name]) => names.has(name) || !isHashed(name));
  return new Map(imported.map(([name, text]) => [rename(name), Buffer.from(rename(text))]));
}

function stableNames(outputs: Metafile["outputs"]): ReadonlyMap<string, string> {
  const entries = Object.keys(outputs).filter((path) => !isHashed(path));
  const names = new Map<string, string>();
  const visit = (path: string): void => {
    if (names.has(basename(path)) || outputs[path] === undefined) return;
    if (isHashed(path)) names.set(basename(path), sharedPart(names.size + 1));
    for (const { path: imported, external } of outputs[path].imports) if (external !== true) visit(imported);
  };
  for (const path of entries.toSorted()) visit(path);
  return names;
}

function isHashed(path: string): boolean {
  return /-[A-Z0-9]{8}\.mjs$/.test(path);
}

function handlersError(cause: unknown): unknown {
  const errors = property(cause, "errors");
  if (!Array.isArray(errors)) return cause;
  const problems = errors.map((error): FileProblem => {
    const location = property(error, "location");
    const line = property(location, "line");
    return {
      file: String(property(location, "file") ?? "handlers"),
      ...(typeof line === "number" ? { line } : {}),
      message: String(property(error, "text")),
    };
  });
  const [first, ...others] = problems;
  const message =
    first !== undefined && others.length === 0
      ? `the handlers do not compile: ${problemLine(first)}`
      : ["the handlers do not compile:", ...problemLines(problems)].join("\n");
  return new MigrationError("ASSET", message, { problems, cause });
}
