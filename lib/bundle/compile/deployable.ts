import { join } from "node:path";
import type { FileProblem } from "../../core/index.ts";
import { compileError, toProblems } from "./compile.ts";
import { runEsbuild } from "./esbuild.ts";
import { withoutPlaces } from "./labels.ts";
import { onItsOwn } from "./on-its-own.ts";
import type { ModuleFile, OnImport } from "./plugin.ts";

export interface DeployableCode {
  readonly code: string;
  /**
   * Whether the digests of the migrations say all about the code. They know nothing of packages, which are compiled
   * in, nor of what was looked for in vain.
   */
  readonly followsDigests: boolean;
}

/** This package's own code, as it is found at run time. */
export interface OwnCode {
  /** Folder of this room. */
  readonly folder: string;
  /** What its files end in: `.ts` in the source tree, `.js` in the published package. */
  readonly extension: string;
}

/**
 * Compiles modules, the local files and the packages they import into the text of one module that needs nothing but
 * Node and the asset around it: the same on every machine. Its export `migrations` is a map from names to functions
 * that evaluate a migration and give its exports.
 * @throws MigrationError naming every file that does not compile, or that could not run in the asset.
 */
export async function compileDeployable(
  dir: string,
  modules: readonly ModuleFile[],
  own: OwnCode,
): Promise<DeployableCode> {
  let followsDigests = true;
  const importers = new Map<string, string>();
  const onImport: OnImport = (importer, _path, target) => {
    if (target.kind === "package" || target.kind === "missing") followsDigests = false;
    if (target.kind === "package") importers.set(packageFolder(target.path), importer);
  };
  const surroundings = onItsOwn(dir, join(own.folder, "compile", `exports${own.extension}`));
  const outcome = await runEsbuild({ dir, modules }, surroundings, onImport);
  if (outcome.errors !== undefined) {
    const problems = toProblems(dir, outcome.errors);
    throw compileError(problems.map((problem) => withImporter(withAdvice(problem), importers)));
  }
  const { outputFiles, metafile } = outcome.built;
  const code = outputFiles.find((file) => file.path.endsWith(".mjs"))?.text ?? "";
  const places = { dir, ownFolder: own.folder };
  return { code: withoutPlaces(code, Object.keys(metafile?.inputs ?? {}), places), followsDigests };
}

function packageFolder(path: string): string {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0] ?? path;
}

/** A problem in a package is somebody's who imports it. */
function withImporter(problem: FileProblem, importers: ReadonlyMap<string, string>): FileProblem {
  const importer = importers.get(packageFolder(problem.file));
  return importer === undefined
    ? problem
    : { ...problem, message: `${problem.message} (imported by ${importer})` };
}

function withAdvice(problem: FileProblem): FileProblem {
  const hint = advice(problem.message);
  return hint === undefined ? problem : { ...problem, hint };
}

function advice(message: string): string | undefined {
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
