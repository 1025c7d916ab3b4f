import { readFileSync } from "node:fs";
import { dirname, extname, relative, resolve, sep } from "node:path";
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, Plugin } from "esbuild";
import { importResolver, QUESTION, type ResolvedImport, type ResolvedPackage } from "./resolve-import.ts";
import { adaptModule } from "./self-reference.ts";
import { type EncodingProblem, findEncodingProblem, SAVE_AS_UTF8 } from "./source-text.ts";

/** A module to compile: a migration's name and the absolute path of its file. */
export interface ModuleFile {
  readonly name: string;
  readonly path: string;
}

/** Modules of one folder; its absolute path has no symbolic links. */
export interface FolderModules {
  readonly dir: string;
  readonly modules: readonly ModuleFile[];
}

/** Called for each import in a local module, with the importing file's path. */
export type OnImport = (importer: string, specifier: string, target: ResolvedImport) => void;

/** Where compiled code will run: on this machine beside its project, or in a Lambda function. */
export interface CompileTarget {
  /** Whether esbuild shall list what went into the code. */
  readonly metafile: boolean;
  /** Goes before all compiled code. */
  readonly banner: string;
  readonly entry: EntryTemplate;
  /** A statement that declares the names in `SELF` for the module at this absolute path. */
  declareSelf(path: string): string;
  /** Reports what the target does not support in a local module. */
  check(path: string, text: string): Promise<readonly PartialMessage[]>;
  /** How an import of a package is resolved; undefined: esbuild compiles the package as well. */
  resolvePackage(target: ResolvedPackage, args: OnResolveArgs): OnResolveResult | undefined;
  /** How an import of a native module (`.node`, `.wasm`) is loaded. */
  loadNative(path: string): OnLoadResult;
  /** Handles everything that is neither the entry nor a local module; asked before `migrationsPlugin`. */
  readonly plugin: Plugin;
}

/** What a target makes of the entry module. */
export interface EntryTemplate {
  /** Statements before the map. */
  readonly head: string;
  /** The map's value for a migration that `load` (a function's source text) evaluates. */
  value(load: string): string;
}

/**
 * The namespace of local modules. In esbuild's own, "file", the nearest package.json and tsconfig.json decide what a
 * file may contain; a migration must work the same in every project.
 */
export const LOCAL = "migration";
const ENTRY = "entry";
const LOCAL_PREFIX = `${LOCAL}:`;

const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".cjs": "js",
  ".jsx": "jsx",
  ".json": "json",
  ".sql": "text",
  ".txt": "text",
};

/** Compiles to one module whose export `migrations` maps each name to a function that evaluates the migration. */
export function migrationsPlugin(folder: FolderModules, target: CompileTarget, onImport: OnImport): Plugin {
  const { dir, modules } = folder;
  const migrations = new Set(modules.map(({ path }) => path));
  return {
    name: "migrations",
    setup(build) {
      const resolveImport = importResolver(build);
      // Every filter is as narrow as possible: each callback costs more than reading a file.
      build.onResolve({ filter: /^migrations$/ }, ({ kind, path }) =>
        kind === "entry-point" ? { path, namespace: ENTRY } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: ENTRY }, () => ({
        contents: entryText(folder, target.entry),
        loader: "js",
        resolveDir: dir,
      }));
      build.onResolve({ filter: new RegExp(`^${LOCAL_PREFIX}`), namespace: ENTRY }, ({ path }) => ({
        path: path.slice(LOCAL_PREFIX.length),
        namespace: LOCAL,
      }));
      build.onResolve({ filter: /.*/, namespace: LOCAL }, async (args) => {
        if (args.pluginData === QUESTION) return undefined;
        const importer = resolve(dir, args.importer);
        const resolved = await resolveImport({ ...args, importer });
        onImport(importer, args.path, resolved);
        return answer(dir, resolved, args, target);
      });
      build.onLoad({ filter: /.*/, namespace: LOCAL }, ({ path: name }) => {
        const path = resolve(dir, name);
        return loadModule(path, migrations.has(path), target);
      });
    },
  };
}

function entryText({ dir, modules }: FolderModules, { head, value }: EntryTemplate): string {
  const entries = modules.map(({ name, path }) => {
    const load = `() => import(${JSON.stringify(`${LOCAL_PREFIX}${localName(dir, path)}`)})`;
    return `[${JSON.stringify(name)}, ${value(load)}]`;
  });
  return `${head}export const migrations = new Map([\n${entries.join(",\n")}\n]);`;
}

function answer(
  dir: string,
  resolved: ResolvedImport,
  args: OnResolveArgs,
  target: CompileTarget,
): OnResolveResult | undefined {
  switch (resolved.kind) {
    case "node":
      return { path: args.path, external: true };
    case "local":
      return { path: localName(dir, resolved.path), namespace: LOCAL };
    case "package":
      return target.resolvePackage(resolved, args);
    case "missing":
      // esbuild resolves it once more and words the error; a `require` inside `try` is no error.
      return undefined;
  }
}

async function loadModule(path: string, isMigration: boolean, target: CompileTarget): Promise<OnLoadResult> {
  const extension = extname(path).toLowerCase();
  const loader = LOADERS[extension];
  if (extension === ".node" || extension === ".wasm") return target.loadNative(path);
  if (loader === undefined) {
    const text = `a file with the extension "${extension}" cannot be imported by a migration: ${path}`;
    return { errors: [{ text }] };
  }
  const bytes = readFileSync(path);
  const problem = findEncodingProblem(bytes);
  if (problem !== undefined) return { errors: [encodingError(path, problem)] };
  const text = bytes.toString();
  const resolveDir = dirname(path);
  // Git writes \r\n on Windows; the SQL that a migration makes of a text must be the same on every machine.
  if (loader === "text") return { contents: text.replaceAll("\r\n", "\n"), loader, resolveDir };
  if (loader === "json") return { contents: text, loader, resolveDir };
  const errors = [...(await target.check(path, text))];
  if (errors.length > 0) return { errors };
  const contents = adaptModule(path, text, isMigration, target.declareSelf(path));
  return { contents, loader, resolveDir };
}

function encodingError(path: string, { line, column, message }: EncodingProblem): PartialMessage {
  return { text: `${message} (${SAVE_AS_UTF8})`, location: { file: path, line, column: column - 1 } };
}

/** The name of a local module in compiled code: relative to the folder, the same on every machine. */
export function localName(dir: string, path: string): string {
  const name = relative(dir, path);
  return sep === "/" ? name : name.replaceAll(sep, "/");
}

/** Whether an input of esbuild's, by its name in messages, metafile and source map, is a local module. */
export function isLocalInput(input: string): boolean {
  return input.startsWith(LOCAL_PREFIX);
}

/** The absolute path of an input of esbuild's. */
export function pathOfInput(dir: string, input: string): string {
  return resolve(dir, isLocalInput(input) ? input.slice(LOCAL_PREFIX.length) : input);
}
