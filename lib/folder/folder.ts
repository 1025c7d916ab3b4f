import { readFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import {
  type ContractDeclaration,
  errorMessage,
  type LoadedMigration,
  type Migration,
  MigrationError,
  type RunCode,
  type SqlFile,
} from "../core/index.ts";
import { defaultCacheDir } from "./cache-dir.ts";
import { DigestCache } from "./digest-cache.ts";
import { readDigests } from "./digests.ts";
import { type ReadFolderOptions, readFolder } from "./listing.ts";
import type { LoadedModule, ModuleLoader } from "./loader.ts";
import { requireUtf8 } from "./source-text.ts";

export interface OpenFolderOptions extends ReadFolderOptions {
  /**
   * Where compiled migrations and digests are cached. They are executed: no other user may be able to write there.
   * @default - node_modules/.cache/cdk-pg-migrate of the package the folder is in, else a private temporary folder
   */
  readonly cacheDir?: string;
}

/** A folder of migrations, listed and checked. Everything else is read by name, so that a no-op run reads no file. */
export interface MigrationFolder {
  /** Absolute path, symbolic links resolved. */
  readonly dir: string;
  readonly entries: readonly Migration[];
  /**
   * SHA-256 (hex) of each named migration's own text and of the local files it imports: the same on every
   * machine. Loads no migration; reads only files that changed since they were cached.
   */
  digests(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Names of all migrations that export `shorthands`, and of some that may. */
  shorthandNames(): Promise<readonly string[]>;
  /** Headers of the baselines that `squash` wrote, by name. Reads only files that changed since they were cached. */
  baselineHeaders(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** What files say about their contracts, by name. Reads only files that changed since they were cached. */
  contracts(): Promise<ReadonlyMap<string, ContractDeclaration>>;
  /** Compiles the named migrations together and evaluates them in the given order; reads those in SQL. */
  load(names: readonly string[], run?: RunCode): Promise<ReadonlyMap<string, LoadedMigration>>;
  /** Evaluates a module again, with all it imports from the project; reads SQL again. */
  reload(name: string, run?: RunCode): Promise<LoadedMigration>;
}

/** Lists a folder (see `readFolder`) as a source of migrations. */
export async function openFolder(dir: string, options: OpenFolderOptions = {}): Promise<MigrationFolder> {
  const listing = await readFolder(dir, options);
  const { entries } = listing;
  // esbuild resolves links, so relative paths must start from the real folder.
  const folder = await realpath(listing.dir);
  const cacheDir = once(() => options.cacheDir ?? defaultCacheDir(folder));
  const loader = once(() => makeLoader(folder, cacheDir()));
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const cache = once(() => new DigestCache(cacheDir(), folder));
  const read = (migrations: readonly Migration[]) => readDigests(folder, migrations, cache());
  return {
    dir: folder,
    entries,
    digests: async (names) => {
      const digests = await read(pick(byName, folder, names));
      return new Map([...digests].map(([name, { digest }]) => [name, digest]));
    },
    shorthandNames: async () => {
      const modules = entries.filter(({ kind }) => kind === "module");
      const digests = await read(modules);
      return modules.map(({ name }) => name).filter((name) => digests.get(name)?.shorthands);
    },
    baselineHeaders: async () => {
      const digests = await read(entries.filter(({ kind }) => kind === "sql"));
      return new Map(
        [...digests].flatMap(([name, { baseline }]) => (baseline.length > 0 ? [[name, baseline]] : [])),
      );
    },
    contracts: async () => {
      const digests = await read(entries);
      return new Map([...digests].flatMap(([name, { contract }]) => (contract ? [[name, contract]] : [])));
    },
    load: (names, run) => loadEntries(folder, pick(byName, folder, names), loader, run),
    reload: async (name, run) => {
      const [entry] = pick(byName, folder, [name]);
      if (entry === undefined) throw unknownName(folder, name);
      return entry.kind === "module" ? (await loader()).reload(entry, run) : readSql(folder, entry);
    },
  };
}

async function makeLoader(dir: string, cacheDir: string): Promise<ModuleLoader> {
  const { createModuleLoader } = await import("./loader.ts");
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

/** Synchronous, because that takes a tenth of the time for a thousand small files. */
function readText(path: string): SqlFile {
  const text = readOrRefuse(path, () => readFileSync(path, "utf8"));
  // Decoding takes half the time of checking bytes, and yields these characters where text is not UTF-8.
  if (/[\ufffd\0]/.test(text)) {
    requireUtf8(
      path,
      readOrRefuse(path, () => readFileSync(path)),
    );
  }
  return { path, text: text.replace(/^\ufeff/, "") };
}

function readOrRefuse<T>(path: string, read: () => T): T {
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
