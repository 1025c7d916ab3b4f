import type { BuildOptions, Metafile } from "esbuild";
import { type FileProblem, MigrationError, problemLine, problemLines, property } from "../../core/index.ts";
import type { AssetFiles } from "./asset-files.ts";
import { builtinModules } from "./builtin-modules.mjs";
import { withPlainNames } from "./chunk-names.ts";
import { ENGINE_COPY, HANDLERS, STACK_EVENT_HANDLER } from "./handler-names.ts";
import { engineEntry, withoutLoaders } from "./without-loaders.ts";

export interface CompiledHandlers {
  readonly files: AssetFiles;
  readonly metafile: Metafile;
}

/**
 * One pass over the handlers with an engine, so that they share what they have in common, and so that node-pg-migrate is
 * loaded only when a migration has to be built; another one over the handler without. Same bytes for the same sources, wherever they are.
 * @throws MigrationError with what esbuild complains about.
 */
export async function compileHandlers(dir: string): Promise<CompiledHandlers> {
  const { build } = await import("esbuild");
  try {
    // In one file: parts of it would have the names of the others' parts.
    const single = { ...options(dir, [entry(STACK_EVENT_HANDLER)]), splitting: false, minify: true };
    const builds = [options(dir, engineEntries()), single];
    const built = await Promise.all(builds.map((one) => build({ ...one, write: false, metafile: true })));
    const files = built.flatMap(({ outputFiles, metafile }) => {
      const texts = outputFiles.map(({ path, text }) => [path.replace(/^.*[\\/]/, ""), text] as const);
      return [...withPlainNames(new Map(texts), metafile)];
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

const entry = (name: string): Entry => ({ in: `./${name}.ts`, out: name });

function engineEntries(): Entry[] {
  return [...HANDLERS.map(entry), { in: engineEntry, out: ENGINE_COPY }];
}

function options(dir: string, entryPoints: Entry[]): BuildOptions {
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
    // ES modules, where a package has them: only they can be left out in part.
    mainFields: ["module", "main"],
    // Nearly all names stay, for stacks in logs: to shorten them and give them back takes a tenth of a function's start.
    minifySyntax: true,
    minifyWhitespace: true,
    // One character beyond Latin-1 makes V8 keep and parse a whole file in two bytes a character.
    charset: "ascii",
    legalComments: "none",
    // Before Node 21 pg asks for it to find out whether it runs at Cloudflare, and Node loads its `fetch` to answer.
    define: { Response: "undefined" },
    plugins: [withoutLoaders(dir), builtinModules],
    tsconfigRaw: "{}",
    logLevel: "silent",
  };
}

function handlersError(cause: unknown): unknown {
  const errors = property(cause, "errors");
  if (!Array.isArray(errors)) return cause;
  const problems = errors.map((error): FileProblem => {
    const location = property(error, "location");
    const line = property(location, "line");
    const place = typeof line === "number" ? { line } : {};
    return {
      file: String(property(location, "file") ?? "handlers"),
      ...place,
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
