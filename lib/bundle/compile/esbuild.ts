import type { BuildOptions, BuildResult, Message, Plugin } from "esbuild";
import { property } from "../unknown.ts";
import { banner, SELF_REFERENCES } from "./adapt.ts";

/** esbuild's answer: the outputs, or what is wrong with the files. */
export type Outcome =
  | { readonly built: BuildResult<{ write: false }>; readonly errors?: never }
  | { readonly errors: readonly Message[] };

/** One pass over everything `plugin` leads to; writes nothing. */
export async function runEsbuild(dir: string, plugin: () => Plugin): Promise<Outcome> {
  const outcome = await attempt({ ...options(dir), plugins: [plugin()] });
  const { errors } = outcome;
  if (errors === undefined || !errors.some(concernsConfig)) return outcome;
  // Paths from a tsconfig.json are welcome; one that cannot be read must not stop a migration.
  return attempt({ ...options(dir), tsconfigRaw: "{}", plugins: [plugin()] });
}

async function attempt(asked: BuildOptions): Promise<Outcome> {
  // Loading esbuild takes longer than a run with nothing to do.
  const { build } = await import("esbuild");
  try {
    return { built: await build({ ...asked, write: false }) };
  } catch (error) {
    const errors = property(error, "errors");
    if (!isMessages(errors)) throw error;
    return { errors };
  }
}

function options(dir: string): BuildOptions {
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
    banner: { js: banner(dir) },
    keepNames: true,
    charset: "utf8",
    legalComments: "none",
    sourcemap: "external",
    sourcesContent: false,
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
