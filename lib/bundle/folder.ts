import { readFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import {
  errorMessage,
  type LoadedMigration,
  type Migration,
  MigrationError,
  type RunCode,
  type SqlFile,
} from "../core/index.ts";
import { defaultCacheDir } from "./cache-dir.ts";
import type { LoadedModule, ModuleLoader } from "./compile/loader.ts";
import { DigestCache } from "./digest-cache.ts";
import { readDigests } from "./digests.ts";
import { type ReadFolderOptions, readFolder } from "./listing.ts";
import { requireUtf8 } from "./utf8.ts";

export interface OpenFolderOptions extends ReadFolderOptions {
  /**
   * Where compiled migrations and digests are kept. What lies there is executed: nobody else may write to it.
   * @default - node_modules/.cache/cdk-pg-migrate of the package the folder is in, else a private temporary folder
   */
  readonly cacheDir?: string;
}

/** A folder of migrations, listed and checked; what else is asked for is asked for by name. */
export interface MigrationFolder {
  /** Absolute path, symbolic links resolved. */
  readonly dir: string;
  readonly entries: readonly Migration[];
  /**
   * SHA-256 (hex) of each named migration's own text and of the local files it imports: the same on every
   * machine. Loads no migration; looks at each file once and reads those that changed since the last time.
   */
  digests(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Names of the migrations that may export `shorthands`: some need not, none is left out. */
  shorthandNames(): Promise<readonly string[]>;
  /** Compiles the named migrations in one go and evaluates them in the order named; reads those in SQL. */
  load(names: readonly string[], run?: RunCode): Promise<ReadonlyMap<string, LoadedMigration>>;
  /** Evaluates a module anew, with all it imports from the project; reads SQL again. */
  reload(name: string, run?: RunCode): Promise<LoadedMigration>;
  /**
   * Gives back what only compiling needs. Not while anything of this process compiles: that would fail. What is asked
   * for later is compiled all the same.
   */
  rest(): Promise<void>;
}

/** Lists a folder (see `readFolder`) as a source of migrations. */
export async function openFolder(dir: string, options: OpenFolderOptions = {}): Promise<MigrationFolder> {
  const listing = await readFolder(dir, options);
  const { entries } = listing;
  // esbuild resolves links: paths relative to the folder must start from the same place.
  const folder = await realpath(listing.dir);
  const cacheDir = once(() => options.cacheDir ?? defaultCacheDir(folder));
  const loader = once(() => makeLoader(folder, cacheDir()));
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const cache = once(() => new DigestCache(cacheDir(), folder));
  return {
    dir: folder,
    entries,
    digests: async (names) => {
      const digests = await readDigests(folder, pick(byName, folder, names), cache());
      return new Map([...digests].map(([name, { digest }]) => [name, digest]));
    },
    shorthandNames: async () => {
      const modules = entries.filter((entry) => entry.kind === "module");
      const digests = await readDigests(folder, modules, cache());
      return modules.map(({ name }) => name).filter((name) => digests.get(name)?.shorthands);
    },
    load: (names, run) => loadEntries(folder, pick(byName, folder, names), loader, run),
    reload: async (name, run) => {
      const [entry] = pick(byName, folder, [name]);
      if (entry === undefined) throw unknownName(folder, name);
      return entry.kind === "module" ? (await loader()).reload(entry, run) : readSql(folder, entry);
    },
    rest: async () => {
      if (entries.some((entry) => entry.kind === "module")) await (await loadCompiler()).endEsbuild();
    },
  };
}

const loadCompiler = () => import("./compile/esbuild.ts");

/** Only what loads a module pays for loading the compiler. */
async function makeLoader(dir: string, cacheDir: string): Promise<ModuleLoader> {
  const { createModuleLoader } = await import("./compile/loader.ts");
  return createModuleLoader(dir, cacheDir);
}

function pick(
  byName: ReadonlyMap<string, Migration>,
  folder: string,
  names: readonly string[],
): readonly Migration[] {
  return [...new Set(names)].map((name) => {
    const entry = byName.get(name);
    if (entry === undefined) throw unknownName(folder, name);
    return entry;
  });
}

function unknownName(folder: string, name: string): MigrationError {
  return new MigrationError("USAGE", `no migration is called "${name}" in ${folder}`, {
    hint: "a migration's name is its file name without the extension",
  });
}

async function loadEntries(
  folder: string,
  entries: readonly Migration[],
  loader: () => Promise<ModuleLoader>,
  run: RunCode | undefined,
): Promise<ReadonlyMap<string, LoadedMigration>> {
  const modules = entries.filter((entry) => entry.kind === "module");
  const compiled =
    modules.length > 0 ? await (await loader()).load(modules, run) : new Map<string, LoadedModule>();
  const loaded = new Map<string, LoadedMigration>();
  for (const entry of entries) {
    loaded.set(entry.name, compiled.get(entry.name) ?? readSql(folder, entry));
  }
  return loaded;
}

function readSql(folder: string, entry: Migration): LoadedMigration {
  const [first, second] = entry.files.map((file) => readText(join(folder, file)));
  if (first === undefined) throw unknownName(folder, entry.name);
  if (entry.kind === "sql") return { kind: "sql", file: first };
  return second === undefined ? { kind: "pair", up: first } : { kind: "pair", up: first, down: second };
}

/** Synchronously: a thousand small files take a tenth of the time. */
function readText(path: string): SqlFile {
  const text = unlessUnreadable(path, () => readFileSync(path, "utf8"));
  // Node reads text in half the time, and puts this where it is not UTF-8.
  if (/[\ufffd\0]/.test(text)) {
    requireUtf8(
      path,
      unlessUnreadable(path, () => readFileSync(path)),
    );
  }
  return { path, text: text.replace(/^\ufeff/, "") };
}

function unlessUnreadable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const message = `a migration cannot be read: ${errorMessage(cause)}`;
    throw new MigrationError("MIGRATION", message, { problems: [{ file: path, message }], cause });
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
