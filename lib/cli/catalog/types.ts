/** One object of a database, the same text wherever the same object exists. */
export interface CatalogObject {
  /** `table`, `index`, `foreign key` … */
  readonly kind: string;
  /** Unique within its kind: qualified, quoted where needed. */
  readonly name: string;
  /** SQL that makes it, with its owner, comments and grants, line by line. */
  readonly definition: readonly string[];
}

/** Everything a database holds, ordered by kind and name; data is left out. */
export interface Catalog {
  readonly objects: readonly CatalogObject[];
}

export interface CatalogOptions {
  /** Only these schemas, and what is in none. @default - all but the server's own */
  readonly schemas?: readonly string[] | undefined;
  /** The engine's tables, left out with all that belongs to them. @default - nothing is left out */
  readonly exclude?: OwnTables | undefined;
}

/** Where the engine keeps its tables. */
export interface OwnTables {
  /** @default "public" */
  readonly migrationsSchema?: string | undefined;
  /** @default "pgmigrations" */
  readonly migrationsTable?: string | undefined;
}
