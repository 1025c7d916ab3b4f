/**
 * The advisory lock that every run of plain node-pg-migrate takes (`PG_MIGRATE_LOCK_ID`). This engine takes it shared, so
 * that both exclude each other. Repeated here because importing the library costs a tenth of a second.
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
export type OptionKind = { readonly default?: string | number | boolean } & (
  | { readonly kind: "name" | "names" | "switch" | "milliseconds" | "count" }
  | { readonly kind: "choice"; readonly choices: readonly string[] }
);

/**
 * Every option of the engine, with its default. Its flag and prop have its name without `Ms`, and `MIGRATE_OPTIONS` has it
 * under this name: a missing one does not compile, or fails a test.
 */
export const OPTIONS = {
  /** First schema on the search path, and where the table of applied migrations lives. */
  schema: { kind: "names", default: "public" },
  /** Schemas that do not exist are not created. */
  createSchema: { kind: "switch", default: false },
  migrationsSchema: { kind: "name" },
  /** The table of applied migrations, as plain node-pg-migrate names it. */
  migrationsTable: { kind: "name", default: "pgmigrations" },
  /** Names are used as they are written. */
  decamelize: { kind: "switch", default: false },
  /** A pending migration older than an applied one is refused. */
  order: { kind: "choice", choices: ["strict", "warn", "allow"], default: "strict" },
  /** Each migration in a transaction of its own. */
  transaction: { kind: "choice", choices: ["each", "all"], default: "each" },
  /** How long to wait for another run that holds the migration lock. */
  lockWaitMs: { kind: "milliseconds", default: 60_000 },
  /** How long one statement waits for a lock on a table before it gives up (Postgres `lock_timeout`). */
  lockTimeoutMs: { kind: "milliseconds", default: 10_000 },
  /** How often a migration that met a lock timeout or a deadlock is tried again. */
  lockRetries: { kind: "count", default: 5 },
  /** How long to wait before the first of those tries; doubled each time, with jitter, up to 30 seconds. */
  lockRetryDelayMs: { kind: "milliseconds", default: 1_000 },
  /** How long one statement may run (Postgres `statement_timeout`); 0: no limit. */
  statementTimeoutMs: { kind: "milliseconds", default: 0 },
  /** What becomes of an index build at the deadline. */
  onDeadline: { kind: "choice", choices: ["background", "fail"], default: "background" },
  /** How long a migration may block reads or writes of a table; absent: it is not measured before a run. */
  maxLockMs: { kind: "milliseconds" },
  /** How long one connection attempt may take. */
  connectTimeoutMs: { kind: "milliseconds", default: 10_000 },
  /** How long to wait for a server that says it is starting up. */
  startingWaitMs: { kind: "milliseconds", default: 30_000 },
  /** How long to wait for a server that cannot be reached; 0: the first failure counts. */
  databaseWaitMs: { kind: "milliseconds", default: 0 },
  /** What stands in the way of a run is looked for before its first statement, and reported. */
  preflight: { kind: "choice", choices: ["warn", "strict", "off"], default: "warn" },
  /** How long another transaction may have been open before the pre-flight check reports it. */
  oldTransactionMs: { kind: "milliseconds", default: 60_000 },
  /** How far a replica may be behind before the pre-flight check reports it. */
  replicaLagMs: { kind: "milliseconds", default: 30_000 },
} as const satisfies Readonly<Record<keyof MigratorOptions, OptionKind>>;

type Defaults<T> = {
  readonly [K in keyof T as T[K] extends { default: unknown } ? K : never]: T[K] extends { default: infer D }
    ? D
    : never;
};

/** The default of each option that has one. Marked as pure, so that a bundle without options leaves both tables out. */
export const DEFAULTS = /* @__PURE__ */ defaultsOf(OPTIONS);

function defaultsOf<T extends Readonly<Record<string, OptionKind>>>(options: T): Defaults<T>;
function defaultsOf(options: Readonly<Record<string, OptionKind>>): object {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      "default" in option ? [[name, option.default]] : [],
    ),
  );
}

export type OptionName = keyof typeof OPTIONS;

/** Name of the option's construct prop: no unit, because props are `Duration`s. */
export function propOf(option: OptionName): string {
  return option.replace(/Ms$/, "");
}

/** What a pending migration older than an applied one means: refuse, go on and say so, go on. */
export type OrderPolicy = (typeof OPTIONS.order.choices)[number];

/** One transaction for each migration, or one for all of a run. */
export type TransactionMode = (typeof OPTIONS.transaction.choices)[number];

/** What the pre-flight check does with what it finds: report it, refuse the run, or not look. */
export type PreflightMode = (typeof OPTIONS.preflight.choices)[number];

/** Whether the server finishes a concurrent statement that is under way at the deadline, or it is cancelled. */
export type OnDeadline = (typeof OPTIONS.onDeadline.choices)[number];

/** Who runs, for the history. */
export interface Provenance {
  /** The person or principal. */
  readonly actor: string;
  readonly origin: "cli" | "deploy" | "command";
  /** Version of the migrations, such as a git commit. Absent when unknown. Read only when something runs. */
  readonly revision?: string | undefined;
  /** Hash of the manifest of the release, as the column `bundle` keeps it. Absent outside a Lambda. */
  readonly bundle?: string | undefined;
  /** Name and version of this tool. */
  readonly tool: string;
}

/** Settings of an engine; everything left out has the default in `OPTIONS`. */
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
  /**
   * What becomes of a concurrent statement when the time of the run is up, or its process ends: the server finishes it
   * and the next run goes on from there, or it is cancelled.
   */
  readonly onDeadline?: OnDeadline;
  /**
   * Milliseconds. `up` first runs what is pending in a transaction that it rolls back, and fails with `LOCK_BUDGET` when a
   * migration blocks reads or writes of a table for longer. Default: nothing is measured.
   */
  readonly maxLockMs?: number;
  /** Milliseconds. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds. */
  readonly startingWaitMs?: number;
  /** Milliseconds to wait for a server that refuses connections or does not answer, as in a failover; 0: not at all. */
  readonly databaseWaitMs?: number;
  /** Whether what stands in the way of a run is reported (`warn`), refuses it (`strict`) or is not looked for (`off`). */
  readonly preflight?: PreflightMode;
  /** Milliseconds that another transaction may have been open. */
  readonly oldTransactionMs?: number;
  /** Milliseconds that a replica may be behind. */
  readonly replicaLagMs?: number;
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<Omit<MigratorOptions, "schema" | "maxLockMs">> & {
  readonly maxLockMs?: number;
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
  /** For settings that are parts of a URL: what holds it, for hints. Default: hints name each setting for itself. */
  readonly fromUrl?: UrlSource;
}

/** What says where the database is: an environment variable, or what the construct was given. */
export type DatabaseSetting = "url" | "host" | "port" | "name" | "user" | "password" | "ssl" | "sslCa";

export interface UrlSource {
  /** The variable, flag or option with the URL. */
  readonly name: string;
  /** Settings that take precedence over the URL. */
  readonly overridden: readonly DatabaseSetting[];
}
