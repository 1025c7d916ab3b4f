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

/** What an option holds, and for a choice which values. Milliseconds are `Duration`s in constructs and seconds in flags. */
export type OptionKind =
  | { readonly kind: "name" | "names" | "switch" | "milliseconds" | "count" }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

/**
 * Every option of the engine. Its default is in `DEFAULTS`, its flag and prop have its name without `Ms`, and
 * `MIGRATE_OPTIONS` has it under this name: a missing one does not compile, or fails a test.
 */
export const OPTIONS = {
  schema: { kind: "names" },
  createSchema: { kind: "switch" },
  migrationsSchema: { kind: "name" },
  migrationsTable: { kind: "name" },
  decamelize: { kind: "switch" },
  order: { kind: "choice", choices: ["strict", "warn", "allow"] },
  transaction: { kind: "choice", choices: ["each", "all"] },
  lockWaitMs: { kind: "milliseconds" },
  lockTimeoutMs: { kind: "milliseconds" },
  lockRetries: { kind: "count" },
  lockRetryDelayMs: { kind: "milliseconds" },
  statementTimeoutMs: { kind: "milliseconds" },
  connectTimeoutMs: { kind: "milliseconds" },
  startingWaitMs: { kind: "milliseconds" },
  databaseWaitMs: { kind: "milliseconds" },
} as const satisfies Readonly<Record<keyof MigratorOptions, OptionKind>>;

export type OptionName = keyof typeof OPTIONS;

/** Name of the option's construct prop: no unit, because props are `Duration`s. */
export function propOf(option: OptionName): string {
  return option.replace(/Ms$/, "");
}

/** What a pending migration older than an applied one means: refuse, go on and say so, go on. */
export type OrderPolicy = (typeof OPTIONS.order.choices)[number];

/** One transaction for each migration, or one for all of a run. */
export type TransactionMode = (typeof OPTIONS.transaction.choices)[number];

/** Who runs, for the history. */
export interface Provenance {
  /** The person or principal. */
  readonly actor: string;
  readonly origin: "cli" | "deploy" | "command";
  /** Version of the migrations, such as a git commit. Absent when unknown. Read only when something runs. */
  readonly revision?: string | undefined;
  /** Hash of the compiled bundle. Absent outside a Lambda. */
  readonly bundle?: string | undefined;
  /** Name and version of this tool. */
  readonly tool: string;
}

/** Settings of an engine; everything left out has the default that `DEFAULTS` documents. */
export interface MigratorOptions {
  /** Schemas put on the search path; the first holds the tables of the engine. */
  readonly schema?: readonly string[];
  /** Create the configured schemas when they do not exist. Default: they must exist. */
  readonly createSchema?: boolean;
  /** Schema of the engine's tables. Default: the first of `schema`. */
  readonly migrationsSchema?: string;
  readonly migrationsTable?: string;
  /** Write camelCase names of the builder as snake_case, as node-pg-migrate's option does. Default: names stay. */
  readonly decamelize?: boolean;
  readonly order?: OrderPolicy;
  readonly transaction?: TransactionMode;
  /** Milliseconds. */
  readonly lockWaitMs?: number;
  /** Milliseconds. */
  readonly lockTimeoutMs?: number;
  /** Tries after the first one; 0: a lock timeout fails at once. */
  readonly lockRetries?: number;
  /** Milliseconds. */
  readonly lockRetryDelayMs?: number;
  /** Milliseconds; 0 means no limit. */
  readonly statementTimeoutMs?: number;
  /** Milliseconds. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds. */
  readonly startingWaitMs?: number;
  /** Milliseconds to wait for a server that refuses connections or does not answer, as in a failover; 0: not at all. */
  readonly databaseWaitMs?: number;
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<Omit<MigratorOptions, "schema">> & {
  readonly schema: readonly [string, ...string[]];
};

/** How the connection is protected. `verify-full` checks the certificate and the host name; there is no weaker mode with TLS. */
export type TlsSettings =
  | { readonly mode: "disable" }
  | {
      readonly mode: "verify-full";
      /** PEM certificates to trust in place of Node's own list. */
      readonly ca?: readonly string[];
    };

/** Address and user of a connection. Nothing is read from `PG*` variables or a password file. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsSettings;
  /** Milliseconds for one connection attempt. Default: the engine's option. */
  readonly connectTimeoutMs?: number;
}
