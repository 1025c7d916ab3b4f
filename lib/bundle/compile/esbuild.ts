import { createRequire } from "node:module";
import type * as Esbuild from "esbuild";
import type { BuildOptions, BuildResult, Message, Plugin } from "esbuild";
import { errorMessage, MigrationError, property } from "../../core/index.ts";
import { SELF_REFERENCES } from "./adapt.ts";
import { type FolderModules, migrationsPlugin, type OnImport } from "./plugin.ts";
import type { Surroundings } from "./surroundings.ts";

/** esbuild's answer: the outputs, or what is wrong with the files. */
export type Outcome =
  | { readonly built: BuildResult<{ write: false }>; readonly errors?: never }
  | { readonly errors: readonly Message[] };

/** One pass over the modules and everything they lead to; writes nothing. */
export async function runEsbuild(
  folder: FolderModules,
  surroundings: Surroundings,
  onImport: OnImport = () => {},
): Promise<Outcome> {
  // A plugin of its own for each pass: what an import leads to depends on the tsconfig.json.
  const asked = (): BuildOptions => ({
    ...options(folder.dir, surroundings),
    plugins: plugins(folder, surroundings, onImport),
  });
  const outcome = await attempt(asked());
  const { errors } = outcome;
  if (errors === undefined || !errors.some(concernsConfig)) return outcome;
  // Paths from a tsconfig.json are welcome; one that cannot be read must not stop a migration.
  return attempt({ ...asked(), tsconfigRaw: "{}" });
}

function plugins(folder: FolderModules, surroundings: Surroundings, onImport: OnImport): Plugin[] {
  return [surroundings.plugin, migrationsPlugin(folder, surroundings, onImport)];
}

async function attempt(asked: BuildOptions): Promise<Outcome> {
  try {
    const { build } = loadEsbuild();
    return { built: await build({ ...asked, write: false }) };
  } catch (error) {
    const errors = property(error, "errors");
    if (isMessages(errors)) return { errors };
    throw new MigrationError("TOOL_MISSING", `esbuild cannot be run: ${errorMessage(error)}`, {
      hint: "install the project's packages again, on this machine and with their optional dependencies",
      cause: error,
    });
  }
}

/**
 * Only when something is compiled: it takes longer than a run with nothing to do. Required, because an import has Node
 * look through all of it for the names it exports, which takes as long again.
 */
function loadEsbuild(): typeof Esbuild {
  return createRequire(import.meta.url)("esbuild");
}

/** Ends esbuild's process, which holds as much memory as Node's; the next pass starts another. */
export async function endEsbuild(): Promise<void> {
  const require = createRequire(import.meta.url);
  if (require.cache[require.resolve("esbuild")] !== undefined) await loadEsbuild().stop();
}

/** The same wherever the code will run, so that its functions are the same text. */
function options(dir: string, { banner, metafile }: Surroundings): BuildOptions {
  return {
    entryPoints: ["migrations"],
    absWorkingDir: dir,
    outfile: "migrations.mjs",
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // Without it "module" is among them, which Node does not know.
    conditions: [],
    resolveExtensions: [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".tsx", ".jsx", ".json"],
    define: { ...SELF_REFERENCES },
    banner: { js: banner },
    keepNames: true,
    charset: "utf8",
    legalComments: "none",
    sourcemap: "external",
    sourcesContent: false,
    metafile,
    logLevel: "silent",
  };
}

function concernsConfig(message: Message): boolean {
  const { location } = message;
  return location !== null && location.namespace === "" && location.file.endsWith(".json");
}

function isMessages(value: unknown): value is readonly Message[] {
  return Array.isArray(value) && value.length > 0;
}
