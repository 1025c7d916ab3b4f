import { lstatSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Esbuild from "esbuild";
import type {
  BuildOptions,
  BuildResult,
  Message,
  OnLoadResult,
  OnResolveArgs,
  OnResolveResult,
  Plugin,
} from "esbuild";
import {
  errorMessage,
  type FileProblem,
  type Migration,
  MigrationError,
  problemLine,
  problemLines,
  property,
} from "../core/index.ts";
import { absolutePath } from "./file-info.ts";
import {
  type CompileTarget,
  type FolderModules,
  isLocalInput,
  type ModuleFile,
  migrationsPlugin,
  type OnImport,
  pathOfInput,
} from "./migrations-plugin.ts";
import { isRequire, type ResolvedPackage } from "./resolve-import.ts";
import { RESOLVER, SELF, SELF_REFERENCES } from "./self-reference.ts";

/** The modules of migrations; of a symbolic link the file it leads to, so that its relative imports work. */
export function modulesOf(dir: string, migrations: readonly Migration[]): ModuleFile[] {
  return migrations.flatMap(({ name, files }) =>
    files.map((file) => ({ name, path: realPath(absolutePath(dir, file)) })),
  );
}

/** The folder has no links above the file; `realpathSync` would check each folder again, for each file. */
function realPath(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  } catch {
    return path;
  }
}

/**
 * Compiles modules and the local files they import into the text of one module, to be run on this machine.
 * @throws MigrationError naming every file that does not compile.
 */
export async function compileModules(dir: string, modules: readonly ModuleFile[]): Promise<string> {
  const outcome = await runEsbuild({ dir, modules }, localTarget(dir));
  if (outcome.errors !== undefined) throw compileError(toProblems(dir, outcome.errors));
  const output = (extension: string) =>
    outcome.built.outputFiles.find((file) => file.path.endsWith(extension))?.text ?? "";
  return `${output(".mjs")}\n//# sourceMappingURL=${inlineMap(dir, output(".mjs.map"))}\n`;
}

/** The source map with file URLs, which stack traces show. */
function inlineMap(dir: string, text: string): string {
  const map: unknown = JSON.parse(text);
  const sources = property(map, "sources");
  const url = (source: string) =>
    isLocalInput(source) ? pathToFileURL(pathOfInput(dir, source)).href : source;
  const urls = Array.isArray(sources) ? sources.map((source) => url(String(source))) : [];
  const named = JSON.stringify({ ...(typeof map === "object" ? map : {}), sources: urls });
  return `data:application/json;base64,${Buffer.from(named).toString("base64")}`;
}

export function compileError(problems: readonly FileProblem[]): MigrationError {
  const [first, ...others] = problems;
  const message =
    first !== undefined && others.length === 0
      ? `a migration does not compile: ${problemLine(first)}`
      : ["migrations do not compile:", ...problemLines(problems)].join("\n");
  const hint = "correct the file; nothing was run";
  return new MigrationError("MIGRATION", message, { problems, hint });
}

export function toProblems(dir: string, messages: readonly Message[]): FileProblem[] {
  return messages.map(({ text, location }) => {
    if (location === null) return { file: "migrations", message: text };
    const { file, line, column } = location;
    return { file: pathOfInput(dir, file), line, column: column + 1, message: text };
  });
}

/**
 * The local files each migration imports, directly or through others, by its name. Files that do not compile are no
 * error: they may not be needed.
 */
export async function findLocalImports(
  dir: string,
  migrations: readonly Migration[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const modules = modulesOf(dir, migrations);
  const edges = new Map<string, Set<string>>();
  const onImport: OnImport = (importer, specifier, target) => {
    const imported = edges.get(importer) ?? new Set();
    edges.set(importer, imported);
    if (target.kind === "local" && target.own) imported.add(target.path);
    // With the path where it should be, so that adding it later counts as a change.
    if (target.kind === "missing" && specifier.startsWith("."))
      imported.add(resolve(dirname(importer), specifier));
  };
  await runEsbuild({ dir, modules }, localTarget(dir), onImport);
  return new Map(modules.map(({ name, path }) => [name, reachable(edges, path)]));
}

function reachable(edges: ReadonlyMap<string, ReadonlySet<string>>, from: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [from];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const next of edges.get(path) ?? []) {
      if (next === from || reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}

/** esbuild's output, or what is wrong with the files. */
export type CompileOutcome =
  | { readonly built: BuildResult<{ write: false }>; readonly errors?: never }
  | { readonly errors: readonly Message[] };

/** Compiles modules and everything they import; writes nothing. */
export async function runEsbuild(
  folder: FolderModules,
  target: CompileTarget,
  onImport: OnImport = () => {},
): Promise<CompileOutcome> {
  // New plugins for each attempt, because the tsconfig.json decides what imports resolve to.
  const options = (): BuildOptions => ({
    ...buildOptions(folder.dir, target),
    plugins: [target.plugin, migrationsPlugin(folder, target, onImport)],
  });
  const outcome = await build(options());
  if (outcome.errors === undefined || !outcome.errors.some(concernsConfig)) return outcome;
  // Paths in a tsconfig.json are supported, but one that cannot be read must not stop a migration.
  return build({ ...options(), tsconfigRaw: "{}" });
}

async function build(options: BuildOptions): Promise<CompileOutcome> {
  try {
    const esbuild = loadEsbuild();
    return { built: await esbuild.build({ ...options, write: false }) };
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
 * Loaded on demand, because it takes longer than a no-op run. With `require`, because an `import` would have Node scan
 * all of it for its exports.
 */
function loadEsbuild(): typeof Esbuild {
  return createRequire(import.meta.url)("esbuild");
}

/** The same for every target, so that a migration's functions have the same text. */
function buildOptions(dir: string, { banner, metafile }: CompileTarget): BuildOptions {
  return {
    entryPoints: ["migrations"],
    absWorkingDir: dir,
    outfile: "migrations.mjs",
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // The default has "module", which Node does not know.
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

function concernsConfig({ location }: Message): boolean {
  return location !== null && location.namespace === "" && location.file.endsWith(".json");
}

function isMessages(value: unknown): value is readonly Message[] {
  return Array.isArray(value) && value.length > 0;
}

const REQUIRED = "required-package";
/** Hides the extension `.mjs`, by which esbuild would treat CommonJS as an ES module. */
const AS_REQUIRED = " as required";

/** Compiled code that runs on this machine: packages and other files are imported from where they are. */
function localTarget(dir: string): CompileTarget {
  const base = JSON.stringify(pathToFileURL(`${dir}/migrations.mjs`).href);
  return {
    metafile: false,
    banner: `${RESOLVER}\nconst require = __migration_createRequire(${base});`,
    entry: { head: "", value: (load) => load },
    declareSelf,
    check: async () => [],
    resolvePackage,
    loadNative: (path) => requirePackage(path, false),
    plugin,
  };
}

function declareSelf(path: string): string {
  const url = JSON.stringify(pathToFileURL(path).href);
  const names = [
    `${SELF.url} = ${url}`,
    `${SELF.dirname} = ${JSON.stringify(dirname(path))}`,
    `${SELF.filename} = ${JSON.stringify(path)}`,
    `${SELF.resolve} = __migration_resolver(${url})`,
  ];
  return `var ${names.join(", ")}; `;
}

/**
 * An ES module is imported as Node would. CommonJS goes through `require`, so that named imports work that Node itself
 * does not find in every package; TypeScript users rely on them.
 */
function resolvePackage({ path, esm }: ResolvedPackage, args: OnResolveArgs): OnResolveResult {
  if (esm && !isRequire(args)) return { path: pathToFileURL(path).href, external: true };
  if (!esm && isRequire(args)) return { path, external: true };
  return { path: `${path}${AS_REQUIRED}`, namespace: REQUIRED, pluginData: esm };
}

const plugin: Plugin = {
  name: "required-packages",
  setup(build) {
    build.onResolve({ filter: /.*/, namespace: REQUIRED }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /.*/, namespace: REQUIRED }, ({ path, pluginData }) =>
      requirePackage(path.slice(0, -AS_REQUIRED.length), pluginData === true),
    );
  },
};

function requirePackage(path: string, esm: boolean): OnLoadResult {
  const url = JSON.stringify(pathToFileURL(path).href);
  const contents = esm
    ? `import * as contents from ${url}; module.exports = contents;`
    : `module.exports = require(${JSON.stringify(path)});`;
  return { contents, loader: "js" };
}
