import { type Command, InvalidArgumentError, Option } from "commander";
import type { ReadFolderOptions } from "../../bundle/index.ts";
import { DEFAULTS, type DownSource, type MigratorOptions } from "../../core/index.ts";
import type { DownOptions, Extent } from "../../migrator/index.ts";

/** Where the migrations are. */
export interface FolderFlags {
  readonly migrationsDir: string;
  readonly ignorePattern?: string;
}

/** The flags that say which files of a folder are migrations. */
export function listingOptions({ ignorePattern }: FolderFlags): ReadFolderOptions {
  return ignorePattern === undefined ? {} : { ignorePattern };
}

/** Flags that every command on a database has. */
export interface DatabaseFlags extends FolderFlags {
  readonly migrationsTable?: string;
  readonly schema?: string[];
  readonly createSchema?: boolean;
  readonly migrationsSchema?: string;
  readonly decamelize?: boolean;
  readonly order?: NonNullable<MigratorOptions["order"]>;
  readonly transaction?: NonNullable<MigratorOptions["transaction"]>;
  /** Seconds. */
  readonly lockWait?: number;
  /** Seconds. */
  readonly lockTimeout?: number;
  readonly lockRetries?: number;
  readonly local?: boolean;
  readonly json?: boolean;
}

export function addFolderFlag(command: Command): Command {
  return command
    .option("-m, --migrations-dir <folder>", "folder of the migrations", folder, "migrations")
    .option(
      "--ignore-pattern <pattern>",
      "regular expression over whole names of files that are no migrations",
    );
}

function folder(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("It must name a folder; . is the project itself.");
}

export function addJsonFlag(command: Command): Command {
  return command.option("--json", "print one JSON object on stdout (everything else goes to stderr)");
}

/** Flags of commands that look at a database. */
export function addDatabaseFlags(command: Command): Command {
  return addJsonFlag(addFolderFlag(command.optionsGroup("Options of all commands on a database:")))
    .option("--local", "use the embedded Postgres of this project")
    .option(
      "-t, --migrations-table <name>",
      `table of applied migrations (default: ${DEFAULTS.migrationsTable})`,
    )
    .option(
      "-s, --schema <name>",
      `schema on the search path; give it once for each (default: ${DEFAULTS.schema})`,
      nextName,
    )
    .option("--migrations-schema <name>", "schema of the table (default: the first of --schema)")
    .option("--decamelize", "write camelCase names as snake_case, as node-pg-migrate does")
    .addOption(orderOption());
}

/** Flags of commands that change a database. */
export function addRunFlags(command: Command): Command {
  const { lockWaitMs, lockTimeoutMs, transaction } = DEFAULTS;
  return addDatabaseFlags(command)
    .optionsGroup("Options of a run:")
    .option("--create-schema", "create the schemas that do not exist")
    .addOption(
      new Option(
        "--transaction <mode>",
        `a transaction for each migration or one for all (default: ${transaction})`,
      ).choices(["each", "all"]),
    )
    .option("--lock-wait <seconds>", `wait for another run (default: ${lockWaitMs / 1000})`, seconds)
    .option(
      "--lock-timeout <seconds>",
      `let a statement wait for a table (default: ${lockTimeoutMs / 1000})`,
      seconds,
    )
    .option(
      "--lock-retries <number>",
      `tries after the first that meets a locked table (default: ${DEFAULTS.lockRetries})`,
      wholeNumber,
    );
}

/** Takes one value each time: a flag that took all that follow would take the count of `up -s app 1` for a schema. */
function nextName(name: string, before: readonly string[] = []): string[] {
  return [...before, name];
}

function orderOption(): Option {
  const text = `a pending migration older than an applied one is refused, mentioned or fine (default: ${DEFAULTS.order})`;
  return new Option("--order <policy>", text).choices(["strict", "warn", "allow"]);
}

/** Flags that say how much a run does. */
export interface ExtentFlags {
  readonly to?: string;
  readonly batch?: boolean;
  readonly from?: DownSource;
}

/** How many migrations, or as far as which. The engine refuses several together. */
export function extentOf(count: number | undefined, { to }: ExtentFlags): Extent {
  return { ...(count === undefined ? {} : { count }), ...(to === undefined ? {} : { to }) };
}

/** The same for undoing. */
export function downOptionsOf(count: number | undefined, flags: ExtentFlags): DownOptions {
  const { batch, from } = flags;
  return {
    ...extentOf(count, flags),
    ...(batch === undefined ? {} : { batch }),
    ...(from === undefined ? {} : { from }),
  };
}

/** A count of migrations on the command line. With zeros in front, it is how the name of one begins. */
export function count(text: string): number {
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number from 1 up; --to takes a name.");
}

/** How many rows to show at most. */
export function limit(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number from 1 up.");
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError("It must be a whole number, 0 or more.");
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= LONGEST_SECONDS) return value;
  throw new InvalidArgumentError(`It must be a number of seconds from 0 to ${LONGEST_SECONDS}.`);
}

/** What the server takes as a limit of time, some 24 days. */
const LONGEST_SECONDS = 2_147_483;
