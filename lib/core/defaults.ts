/**
 * The engine's defaults: the one place the CLI, the Lambdas and the constructs read them from.
 */
export const DEFAULTS = {
  /** The table of applied migrations, as plain node-pg-migrate names it. */
  migrationsTable: "pgmigrations",
  /** First schema on the search path, and where the table of applied migrations lives. */
  schema: "public",
  /** Schemas that do not exist are not created. */
  createSchema: false,
  /** Names are used as they are written. */
  decamelize: false,
  /** A pending migration older than an applied one is refused. */
  order: "strict",
  /** Each migration in a transaction of its own. */
  transaction: "each",
  /** Milliseconds to wait for another run that holds the migration lock. */
  lockWaitMs: 60_000,
  /** Milliseconds one statement waits for a lock on a table before it gives up (Postgres `lock_timeout`). */
  lockTimeoutMs: 10_000,
  /** How often a migration that met a lock timeout or a deadlock is tried again. */
  lockRetries: 5,
  /** Milliseconds before the first of those tries; doubled each time, with jitter, up to 30 seconds. */
  lockRetryDelayMs: 1_000,
  /** Milliseconds one statement may run (Postgres `statement_timeout`); 0: no limit. */
  statementTimeoutMs: 0,
  /** Milliseconds for one connection attempt. */
  connectTimeoutMs: 10_000,
  /** Milliseconds to wait for a server that says it is starting up. */
  startingWaitMs: 30_000,
  /** Milliseconds to wait for a server that cannot be reached; 0: the first failure counts. */
  databaseWaitMs: 0,
} as const;

/**
 * The advisory lock that every node-pg-migrate run takes (`PG_MIGRATE_LOCK_ID`): plain node-pg-migrate and this
 * engine exclude each other. Repeated here because importing the library costs a tenth of a second.
 */
export const MIGRATION_LOCK_ID = 7241865325823964;

/** The oldest server with every session setting the engine relies on (`client_connection_check_interval`). */
export const OLDEST_SERVER_MAJOR = 14;

/** The development database of a machine: what docker-compose.yml starts, and how the embedded one is set up. */
export const DATABASE_DEFAULTS = {
  host: "localhost",
  port: 5432,
  database: "aws_framework",
  user: "framework_user",
  password: "framework_password",
} as const;
