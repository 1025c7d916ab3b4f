import { readFileSync } from "node:fs";
import { dirname, extname } from "node:path";
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, Plugin } from "esbuild";
import { type NotUtf8, SAVE_AS_UTF8, whyNotUtf8 } from "../utf8.ts";
import { adaptModule } from "./adapt.ts";
import { LOCAL, localName, localPath } from "./local-names.ts";
import type { EntryText, Surroundings } from "./surroundings.ts";
import { QUESTION, type Target, targetFinder } from "./targets.ts";

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

/** Called for each import of a local module: whose it is and where it leads. */
export type OnImport = (importer: string, path: string, target: Target) => void;

const ENTRY = "entry";
const ENTRY_POINT = /^migrations$/;
const NAMED = new RegExp(`^${LOCAL}:`);

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

/** One module whose export `migrations` evaluates each migration when it is called by name. */
export function migrationsPlugin(
  { dir, modules }: FolderModules,
  surroundings: Surroundings,
  onImport: OnImport,
): Plugin {
  const migrations = new Set(modules.map(({ path }) => path));
  const entry = entryText({ dir, modules }, surroundings.entry);
  return {
    name: "migrations",
    setup(build) {
      const find = targetFinder(build);
      // Each rule says whose imports it is for: esbuild asks about nothing else, and a question costs more than a file.
      build.onResolve({ filter: ENTRY_POINT }, ({ kind, path }) =>
        kind === "entry-point" ? { path, namespace: ENTRY } : undefined,
      );
      build.onResolve({ filter: NAMED, namespace: ENTRY }, ({ path }) => ({
        path: path.slice(`${LOCAL}:`.length),
        namespace: LOCAL,
      }));
      const resolve = async (args: OnResolveArgs) => {
        if (args.pluginData === QUESTION) return undefined;
        const importer = localPath(dir, args.importer);
        const target = await find({ ...args, importer });
        onImport(importer, args.path, target);
        return answer(dir, target, args, surroundings);
      };
      build.onResolve({ filter: /.*/, namespace: LOCAL }, resolve);
      build.onLoad({ filter: /.*/, namespace: ENTRY }, () => ({
        contents: entry,
        loader: "js",
        resolveDir: dir,
      }));
      build.onLoad({ filter: /.*/, namespace: LOCAL }, ({ path: name }) => {
        const path = localPath(dir, name);
        return localModule(path, migrations.has(path), surroundings);
      });
    },
  };
}

function entryText({ dir, modules }: FolderModules, { head, value }: EntryText): string {
  const parts = modules.map(({ name, path }) => {
    const load = `() => import(${JSON.stringify(`${LOCAL}:${localName(dir, path)}`)})`;
    return `[${JSON.stringify(name)}, ${value(load)}]`;
  });
  return `${head}export const migrations = new Map([\n${parts.join(",\n")}\n]);`;
}

function answer(
  dir: string,
  target: Target,
  args: OnResolveArgs,
  surroundings: Surroundings,
): OnResolveResult | undefined {
  switch (target.kind) {
    case "node":
      return { path: args.path, external: true };
    case "local":
      return { path: localName(dir, target.path), namespace: LOCAL };
    case "package":
      return surroundings.packageAnswer(target, args);
    case "missing":
      // esbuild asks in vain once more, and words the error; it forgives a require inside try.
      return undefined;
  }
}

function notUtf8(path: string, { line, column, message }: NotUtf8): PartialMessage {
  return { text: `${message} (${SAVE_AS_UTF8})`, location: { file: path, line, column: column - 1 } };
}

async function localModule(
  path: string,
  isMigration: boolean,
  surroundings: Surroundings,
): Promise<OnLoadResult> {
  const extension = extname(path).toLowerCase();
  const loader = LOADERS[extension];
  if (extension === ".node" || extension === ".wasm") return surroundings.binary(path);
  if (loader === undefined) {
    const text = `a file with the extension "${extension}" cannot be imported by a migration: ${path}`;
    return { errors: [{ text }] };
  }
  const bytes = readFileSync(path);
  const wrong = whyNotUtf8(bytes);
  if (wrong !== undefined) return { errors: [notUtf8(path, wrong)] };
  const text = bytes.toString();
  const resolveDir = dirname(path);
  // As git writes them on Windows; the SQL a migration makes of it must not differ from other machines'.
  if (loader === "text") return { contents: text.replaceAll("\r\n", "\n"), loader, resolveDir };
  if (loader === "json") return { contents: text, loader, resolveDir };
  const errors = [...(await surroundings.check(path, text))];
  const contents = adaptModule(path, text, isMigration, surroundings.selfKnowledge(path));
  return errors.length > 0 ? { errors } : { contents, loader, resolveDir };
}
