import * as v from "valibot";
import { DEFAULTS, given, type MigratorOptions, OPTIONS } from "../core/index.ts";
import type { ReadFolderOptions } from "../folder/index.ts";
import { choice, parsed, repeated, seconds, text, toggle, type Values, wholeNumber } from "./command.ts";

export const JSON_FLAG = {
  json: toggle("--json", "print one JSON object on stdout (everything else goes to stderr)"),
};

/** Which folder the migrations are in, and which of its files are migrations. */
export const FOLDER_FLAGS = {
  migrationsDir: {
    ...v.pipe(
      v.string(),
      v.check((folder) => folder.trim() !== "", "It must name a folder; . is the project itself."),
    ),
    written: "-m, --migrations-dir <folder>",
    meaning: "folder of the migrations",
    defaultValue: "migrations",
  },
  ignorePattern: text(
    "--ignore-pattern <pattern>",
    "regular expression over whole names of files that are no migrations",
  ),
};

/** Which database. */
export const TARGET_FLAGS = {
  local: {
    ...toggle("--local", "use the embedded Postgres of this project"),
    conflicts: ["url", "envFile"],
  },
  url: text("--url <url>", "use this database; with a password in it, DATABASE_URL is safer"),
  envFile: text("--env-file <file>", "read the settings from this file in place of .env"),
};

/** Flags of every command on a database. */
export const DATABASE_FLAGS = {
  ...FOLDER_FLAGS,
  ...JSON_FLAG,
  ...TARGET_FLAGS,
  wait: parsed("--wait <seconds>", "wait for a server that cannot be reached yet (default: 0)", seconds),
  migrationsTable: text(
    "-t, --migrations-table <name>",
    `table of applied migrations (default: ${DEFAULTS.migrationsTable})`,
  ),
  // One value each time: otherwise `up -s app 1` would take its count for a schema.
  schema: repeated(
    "-s, --schema <name>",
    `schema on the search path; give it once for each (default: ${DEFAULTS.schema})`,
  ),
  migrationsSchema: text(
    "--migrations-schema <name>",
    "schema of the table (default: the first of --schema)",
  ),
  decamelize: toggle("--decamelize", "write camelCase names as snake_case, as node-pg-migrate does"),
  order: choice(
    "--order <policy>",
    `a pending migration older than an applied one is refused, mentioned or fine (default: ${DEFAULTS.order})`,
    OPTIONS.order.choices,
  ),
};

/** Flags of the commands that change a database, beside those of all. */
export const CHANGE_FLAGS = {
  createSchema: toggle("--create-schema", "create the schemas that do not exist"),
  transaction: choice(
    "--transaction <mode>",
    `a transaction for each migration or one for all (default: ${DEFAULTS.transaction})`,
    OPTIONS.transaction.choices,
  ),
  lockWait: parsed(
    "--lock-wait <seconds>",
    `wait for another run (default: ${DEFAULTS.lockWaitMs / 1000})`,
    seconds,
  ),
  lockTimeout: parsed(
    "--lock-timeout <seconds>",
    `let a statement wait for a table (default: ${DEFAULTS.lockTimeoutMs / 1000})`,
    seconds,
  ),
  onDeadline: choice(
    "--on-deadline <policy>",
    `what becomes of a concurrent statement when this process is gone before it has ended (default: ${DEFAULTS.onDeadline})`,
    OPTIONS.onDeadline.choices,
  ),
  lockRetries: parsed(
    "--lock-retries <number>",
    `tries after the first that meets a locked table (default: ${DEFAULTS.lockRetries})`,
    wholeNumber,
  ),
};

/** Flags of the commands that run migrations, and of `plan`. */
export const PREFLIGHT_FLAGS = {
  preflight: choice(
    "--preflight <mode>",
    `what stands in the way of the run is mentioned, refuses it or is not looked for (default: ${DEFAULTS.preflight})`,
    OPTIONS.preflight.choices,
  ),
  oldTransaction: parsed(
    "--old-transaction <seconds>",
    `mention transactions that have been open for longer (default: ${DEFAULTS.oldTransactionMs / 1000})`,
    seconds,
  ),
  replicaLag: parsed(
    "--replica-lag <seconds>",
    `mention replicas that are further behind (default: ${DEFAULTS.replicaLagMs / 1000})`,
    seconds,
  ),
};

/** Flags of commands that remove something, or change only the record. */
export const CONFIRM_FLAGS = {
  yes: toggle("-y, --yes", "do not ask before this, for a database on another machine"),
};

export const RUN_FLAGS = { ...DATABASE_FLAGS, ...CHANGE_FLAGS };

export type FolderFlags = Values<typeof FOLDER_FLAGS>;
export type DatabaseFlags = Values<typeof RUN_FLAGS & typeof PREFLIGHT_FLAGS>;

/** The flags that say which files of a folder are migrations. */
export function listingOptions({ ignorePattern }: FolderFlags): ReadFolderOptions {
  return ignorePattern === undefined ? {} : { ignorePattern };
}

/** The flags that the engine has options for. */
export function engineOptions(flags: DatabaseFlags): MigratorOptions {
  const { schema, createSchema, migrationsSchema, migrationsTable, decamelize } = flags;
  const { order, transaction, lockRetries, lockWait: lockWaitMs, lockTimeout: lockTimeoutMs } = flags;
  const { wait: databaseWaitMs, preflight, onDeadline } = flags;
  const { oldTransaction: oldTransactionMs, replicaLag: replicaLagMs } = flags;
  return given({
    schema,
    createSchema,
    migrationsSchema,
    migrationsTable,
    decamelize,
    order,
    transaction,
    lockRetries,
    lockWaitMs,
    lockTimeoutMs,
    databaseWaitMs,
    preflight,
    oldTransactionMs,
    replicaLagMs,
    onDeadline,
  });
}
