import type { ContractDeclaration } from "./contract.ts";

export type Direction = "up" | "down";

/**
 * - `applied`: in the database, and the file agrees (or could not be compared)
 * - `pending`: not in the database yet
 * - `changed`: applied; its SQL now differs
 * - `partial`: a no-transaction migration that stopped after some of its statements
 * - `missing`: applied, not in the source, older than its newest migration
 * - `ahead`: applied, not in the source, newer than its newest migration
 */
export type MigrationState = "applied" | "pending" | "changed" | "partial" | "missing" | "ahead";

/** One migration as it is listed: nothing of it has been read yet. */
export interface Migration {
  /** File name without its extension (a pair's without `.up.sql`/`.down.sql`): what `pgmigrations.name` holds. */
  readonly name: string;
  /** File name with its extension; of a pair, the name both would have as one file (`001_a.sql`). Decides the order. */
  readonly fileName: string;
  /** The file, or a pair's up file followed by its down file if it has one. */
  readonly files: readonly string[];
  readonly kind: "module" | "sql" | "pair";
}

/** The text of one SQL file. */
export interface SqlFile {
  /** Where it came from, for messages. */
  readonly path: string;
  readonly text: string;
}

/** A migration after loading: a module's exports, one SQL file with sections, or an up/down pair. */
export type LoadedMigration =
  | { readonly kind: "module"; readonly path: string; readonly exports: unknown }
  | { readonly kind: "sql"; readonly file: SqlFile }
  | { readonly kind: "pair"; readonly up: SqlFile; readonly down?: SqlFile };

/**
 * Runs code of a migration while it is loaded, or code that several migrations share (no name). A source evaluates
 * modules only through this function, which keeps them from opening connections and from ending the process.
 */
export type RunCode = <T>(migration: string | undefined, code: () => Promise<T>) => Promise<T>;

/**
 * Where migrations come from: a folder on a laptop, a compiled asset in a Lambda. Listing is free; everything else
 * is requested by name, so that a no-op run loads nothing.
 */
export interface MigrationSource {
  /** Every migration there is, in any order; names are unique. */
  readonly entries: readonly Migration[];
  /**
   * SHA-256 (hex) of each named migration's own text and of the local files it imports, line endings
   * normalised. Loads no migration.
   */
  digests(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Names of the migrations that may export `shorthands`. Loads no migration. */
  shorthandNames(): Promise<readonly string[]>;
  /**
   * Headers of the baselines that `squash` wrote, by name. Loads no migration.
   * @default - there are none
   */
  baselineHeaders?(): Promise<ReadonlyMap<string, readonly string[]>>;
  /**
   * What files say about their contracts, by name. Loads no migration.
   * @default - there are none
   */
  contracts?(): Promise<ReadonlyMap<string, ContractDeclaration>>;
  /** Loads the named migrations; throws when one of them cannot be compiled or loaded. */
  load(names: readonly string[], run: RunCode): Promise<ReadonlyMap<string, LoadedMigration>>;
  /** Evaluates one module again, beside the copy that `load` returned. */
  reload(name: string, run: RunCode): Promise<LoadedMigration>;
}

/** One migration of a manifest. */
export interface ManifestMigration extends Migration {
  /** SHA-256 (hex) of its own text and of the local files it imports, as `MigrationSource.digests` returns it. */
  readonly digest: string;
  /** Whether it may export `shorthands`. */
  readonly shorthands: boolean;
  /** The header of a baseline that `squash` wrote. */
  readonly baseline?: readonly string[] | undefined;
  /** Of a contract: the migration that it waits for. */
  readonly contractAfter?: string | undefined;
}

/** `manifest.json` of an asset. */
export interface Manifest {
  readonly format: 1;
  /** SHA-256 (hex) over everything the migrations are made of: the same on every machine. */
  readonly hash: string;
  /** In running order; at least one. */
  readonly migrations: readonly ManifestMigration[];
}
