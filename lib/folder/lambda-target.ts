import { basename, join, relative, resolve } from "node:path";
import type { OnLoadResult, OnResolveArgs, OnResolveResult } from "esbuild";
import type { FileProblem } from "../core/index.ts";
import { bundlePackages, requiredModule } from "./bundle-packages.ts";
import { compileError, runEsbuild, toProblems } from "./compile.ts";
import {
  type CompileTarget,
  isLocalInput,
  LOCAL,
  localName,
  type ModuleFile,
  type OnImport,
} from "./migrations-plugin.ts";
import { isRequire, type ResolvedPackage } from "./resolve-import.ts";
import { findSelfReference, RESOLVER, SELF } from "./self-reference.ts";

/** Folder beside the compiled module with a copy of the files that migrations may read. */
export const FILES = "files";

/** The source or compiled file of `plainExports`, which every asset contains. */
export function exportsFile(): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return join(import.meta.dirname, `exports${extension}`);
}

export interface LambdaCode {
  readonly code: string;
  /**
   * Whether the code depends on nothing but the migrations' digests: these do not cover packages, which are compiled in,
   * and imports that resolve to nothing.
   */
  readonly followsDigests: boolean;
}

/**
 * Compiles modules, the local files and the packages they import into the text of one module that needs nothing but
 * Node and the asset around it: the same on every machine. Its export `migrations` maps names to functions that evaluate
 * a migration and return its exports.
 * @throws MigrationError naming every file that does not compile, or that could not run in the asset.
 */
export async function compileForLambda(
  dir: string,
  modules: readonly ModuleFile[],
  exportsModule: string,
): Promise<LambdaCode> {
  let followsDigests = true;
  const importers = new Map<string, string>();
  const onImport: OnImport = (importer, _specifier, target) => {
    if (target.kind === "package" || target.kind === "missing") followsDigests = false;
    if (target.kind === "package") importers.set(packageFolder(target.path), importer);
  };
  const outcome = await runEsbuild({ dir, modules }, lambdaTarget(dir, exportsModule), onImport);
  if (outcome.errors !== undefined) {
    const problems = toProblems(dir, outcome.errors);
    throw compileError(problems.map((problem) => withImporter(withHint(problem), importers)));
  }
  const { outputFiles, metafile } = outcome.built;
  const code = outputFiles.find((file) => file.path.endsWith(".mjs"))?.text ?? "";
  const labels = new Map(
    Object.keys(metafile?.inputs ?? {}).map((input) => [input, portableLabel(input, dir, exportsModule)]),
  );
  return { code: relabel(code, labels), followsDigests };
}

const EXPORTS = "plainExports";

/**
 * Compiled code that runs in a function, with nothing but the engine's copy of node-pg-migrate and copies of the
 * folder's data files.
 */
function lambdaTarget(dir: string, exportsModule: string): CompileTarget {
  return {
    metafile: true,
    banner: BANNER,
    entry: {
      head: `import { ${EXPORTS} } from ${JSON.stringify(exportsModule)};\n`,
      value: (load) => `() => (${load})().then(${EXPORTS})`,
    },
    declareSelf: (path) => declareSelf(localName(dir, path)),
    check: async (path, text) => {
      if (isInside(dir, path)) return [];
      const reference = await findSelfReference(path, text);
      if (reference === undefined) return [];
      const { what, line, column } = reference;
      return [
        {
          text: `uses its own location (${what}), but only the migrations folder is deployed with its files; move the file, and what it reads, below ${dir}`,
          location: { file: path, line, column },
        },
      ];
    },
    resolvePackage,
    loadNative,
    plugin: bundlePackages(dir),
  };
}

const BANNER = [
  RESOLVER,
  'import { dirname as __migration_dirnameOf, join as __migration_join } from "node:path";',
  'import { fileURLToPath as __migration_toPath } from "node:url";',
  "const __migration_here = import.meta.url;",
  "const require = __migration_createRequire(__migration_here);",
  `const __migration_files = __migration_toPath(new URL("./${FILES}", __migration_here));`,
].join("\n");

/** A module's location is where its copy would be below `FILES`, so that it finds the copies of files beside it. */
function declareSelf(name: string): string {
  const names = [
    `${SELF.filename} = __migration_join(__migration_files, ${JSON.stringify(name)})`,
    `${SELF.dirname} = __migration_dirnameOf(${SELF.filename})`,
    `${SELF.url} = __migration_toUrl(${SELF.filename}).href`,
    `${SELF.resolve} = __migration_resolver(${SELF.url})`,
  ];
  return `var ${names.join(", ")}; `;
}

function isInside(dir: string, path: string): boolean {
  const way = relative(dir, path);
  return way !== "" && !/^\.\.(?:[/\\]|$)/.test(way) && join(dir, way) === path;
}

/** esbuild compiles packages; only an ES module that is required needs a module between, which imports it. */
function resolvePackage(
  { path, esm, asRequired }: ResolvedPackage,
  args: OnResolveArgs,
): OnResolveResult | undefined {
  if (asRequired && !esm) return { path };
  if (!esm || !isRequire(args)) return undefined;
  return requiredModule(path, args.path, args.resolveDir);
}

function loadNative(path: string): OnLoadResult {
  const text = `is compiled for one kind of machine and cannot be deployed with migrations: ${path}; use a package in plain JavaScript`;
  return { errors: [{ text }] };
}

function packageFolder(path: string): string {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0] ?? path;
}

/** Names the file that imports the package in which the problem is. */
function withImporter(problem: FileProblem, importers: ReadonlyMap<string, string>): FileProblem {
  const importer = importers.get(packageFolder(problem.file));
  return importer === undefined
    ? problem
    : { ...problem, message: `${problem.message} (imported by ${importer})` };
}

function withHint(problem: FileProblem): FileProblem {
  const hint = hintFor(problem.message);
  return hint === undefined ? problem : { ...problem, hint };
}

function hintFor(message: string): string | undefined {
  const missing = /^Could not resolve "([^."/#][^"]*)"/.exec(message)?.[1];
  if (missing !== undefined) {
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(missing)?.[0];
    return `install it where the migrations are (npm install ${name}): packages are compiled into what is deployed`;
  }
  if (/^No loader is configured for "\.(?:node|wasm)" files/.test(message)) {
    return "machine code cannot be deployed with migrations: use a package in plain JavaScript";
  }
  return undefined;
}

/** A comment or the name of a function around a module: esbuild writes the module's path there. */
const LABEL = /^(\/\/ | {2}(?:async )?")([^"\n]+)((?:"\([^()]*\) \{)?)$/gm;
const INSTALLED = "node_modules/";

/** Replaces paths, which differ from machine to machine and show in stack traces, by labels. */
function relabel(code: string, labels: ReadonlyMap<string, string>): string {
  return code.replace(LABEL, (match, before: string, input: string, after: string) => {
    const label = labels.get(input);
    return label === undefined ? match : `${before}${label}${after}`;
  });
}

/** A package's module by what comes after the last `node_modules`, this package's own by its name, others unchanged. */
function portableLabel(input: string, dir: string, exportsModule: string): string {
  if (resolve(dir, input) === exportsModule) return `cdk-pg-migrate/${basename(input)}`;
  const path = isLocalInput(input) ? input.slice(LOCAL.length + 1) : input;
  const installed = path.lastIndexOf(INSTALLED);
  return installed === -1 ? path : path.slice(installed + INSTALLED.length);
}
