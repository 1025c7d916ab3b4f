/** One migration as it is listed, before anything of it is loaded. */
export interface MigrationEntry {
  /** File name without its extension (a pair's without `.up.sql`/`.down.sql`): what `pgmigrations.name` holds. */
  readonly name: string;
  /** File name with its extension; of a pair, the name both would have as one file (`001_a.sql`). Decides the order. */
  readonly fileName: string;
}

/** One SQL file as it was read. */
export interface SqlFile {
  /** Where it came from, for messages. */
  readonly path: string;
  readonly text: string;
}

/** What loading a migration gives: a module's exports, one SQL file with sections, or an up/down pair. */
export type LoadedMigration =
  | { readonly kind: "module"; readonly path: string; readonly exports: unknown }
  | { readonly kind: "sql"; readonly file: SqlFile }
  | { readonly kind: "pair"; readonly up: SqlFile; readonly down?: SqlFile };

/**
 * Runs code of a migration while it is loaded, or code that several share (no name). What loads must not run it in any
 * other way: here it is kept from opening connections and from ending the process.
 */
export type RunCode = <T>(migration: string | undefined, code: () => Promise<T>) => Promise<T>;

/**
 * Where migrations come from: a folder on a laptop, a compiled bundle in a Lambda. Listing is free;
 * everything else is asked for by name, so that a run with nothing to do loads nothing.
 */
export interface MigrationSource {
  /** Every migration there is, in any order; names are unique. */
  readonly entries: readonly MigrationEntry[];
  /**
   * SHA-256 (hex) of each named migration's own text and of the local files it imports, line endings
   * normalised. Loads no migration.
   */
  digests(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Names of the migrations that export `shorthands`. Loads no migration. */
  shorthandNames(): Promise<readonly string[]>;
  /** Loads the named migrations; throws when one of them cannot be compiled or loaded. */
  load(names: readonly string[], run: RunCode): Promise<ReadonlyMap<string, LoadedMigration>>;
  /** Evaluates one module anew, beside the copy that `load` gave. */
  reload(name: string, run: RunCode): Promise<LoadedMigration>;
}
