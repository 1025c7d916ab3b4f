import pg from "pg";
import {
  type ErrorCode,
  errorMessage,
  given,
  Hint,
  MigrationError,
  type MigratorOptions,
  property,
  resolveOptions,
} from "../core/index.ts";
import { declaredContracts, declaredReplacements, readFolder } from "../folder/index.ts";

/**
 * What can run a query: a `Client`, `Pool` or `PoolClient` of pg, or a few lines around another driver.
 *
 * @example
 * import postgres from "postgres";
 * import { assertMigrated } from "cdk-pg-migrate/client";
 *
 * const sql = postgres(process.env.DATABASE_URL ?? "");
 * await assertMigrated({ query: async (text) => ({ rows: await sql.unsafe(text) }) }, "migrations");
 */
export interface Queryable {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>;
}

/** Where the table of applied migrations is. */
export interface ApplicationOptions extends Pick<MigratorOptions, "migrationsSchema" | "migrationsTable"> {
  /** Regular expression over whole file names that are not migrations, as for the commands. @default - no pattern */
  readonly ignorePattern?: string;
}

/** A database beside the migrations that an application was built with. */
export interface ApplicationState {
  /** Whether nothing is pending. */
  readonly migrated: boolean;
  /**
   * Names of the application's migrations that the database does not have, in running order. Contracts are not among them: they
   * may wait for a later release, and take away only what the application does not use.
   */
  readonly pending: readonly string[];
  /**
   * Names that the database has and the application does not: it was migrated by a newer version, which is usual while a
   * deploy replaces one version by the next. What a baseline of the folder replaces is not among them; a list of names does
   * not say what that is.
   */
  readonly unknown: readonly string[];
}

/**
 * Compares a database with the migrations of an application: one query, no lock, nothing is written. It compares names;
 * `status` also finds files that have changed.
 *
 * @param client connected as any user that may read the table of applied migrations
 * @param migrations the folder, or the names of the migrations for an application that is shipped without it
 * @throws MigrationError `USAGE` for a folder that cannot be read, `SQL` when the table cannot be read, `CONNECTION`, `AUTH` or
 * `DATABASE_NOT_FOUND` when the client does not get to the database
 *
 * @example
 * import { createServer } from "node:http";
 * import { migrationState } from "cdk-pg-migrate/client";
 * import pg from "pg";
 *
 * const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
 * createServer(async (_request, response) => {
 *   const { migrated, pending } = await migrationState(pool, "migrations");
 *   response.writeHead(migrated ? 200 : 503).end(JSON.stringify({ pending }));
 * }).listen(8080);
 */
export async function migrationState(
  client: Queryable,
  migrations: string | readonly string[],
  options: ApplicationOptions = {},
): Promise<ApplicationState> {
  const { names, contractsAmong, replaced } =
    typeof migrations === "string" ? await readNames(migrations, options) : onlyNames(migrations);
  const applied = await readApplied(client, options);
  const missing = names.filter((name) => !applied.has(name));
  const contracts = contractsAmong(missing);
  const pending = missing.filter((name) => !contracts.has(name));
  const own = new Set(names);
  const others = [...applied].filter((name) => !own.has(name));
  const known = others.length === 0 ? own : replaced();
  return {
    migrated: pending.length === 0,
    pending,
    unknown: others.filter((name) => !known.has(name)),
  };
}

/**
 * As `migrationState`, for the start of an application: it fails unless the database has all of its migrations.
 *
 * @throws MigrationError `NOT_MIGRATED`, which names what is pending, and those of `migrationState`
 *
 * @example
 * import { assertMigrated } from "cdk-pg-migrate/client";
 * import pg from "pg";
 *
 * const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
 * await assertMigrated(pool, "migrations");
 */
export async function assertMigrated(
  client: Queryable,
  migrations: string | readonly string[],
  options: ApplicationOptions = {},
): Promise<void> {
  const { pending } = await migrationState(client, migrations, options);
  if (pending.length === 0) return;
  const shown = pending.slice(0, NAMES_SHOWN).join(", ");
  const rest = pending.length > NAMES_SHOWN ? ` and ${pending.length - NAMES_SHOWN} more` : "";
  const are = pending.length === 1 ? "migration is" : "migrations are";
  throw new MigrationError("NOT_MIGRATED", `${pending.length} ${are} pending: ${shown}${rest}`, {
    remaining: pending,
    hint: Hint.of`${Hint.command("up")} applies them; a deploy of the stack does too.`,
  });
}

const NAMES_SHOWN = 5;

/**
 * The names of a folder's migrations, in running order, without contracts, for which no application waits. Put them into a
 * build whose result is shipped without the folder.
 *
 * @throws MigrationError `USAGE` for a folder that cannot be read or holds files that cannot be migrations
 *
 * @example
 * import { writeFileSync } from "node:fs";
 * import { migrationNames } from "cdk-pg-migrate/client";
 *
 * writeFileSync("dist/migrations.json", JSON.stringify(await migrationNames("migrations")));
 */
export async function migrationNames(
  migrationsDir: string,
  { ignorePattern }: Pick<ApplicationOptions, "ignorePattern"> = {},
): Promise<string[]> {
  const { names, contractsAmong } = await readNames(migrationsDir, given({ ignorePattern }));
  const contracts = contractsAmong(names);
  return names.filter((name) => !contracts.has(name));
}

interface FolderNames {
  readonly names: readonly string[];
  /** Reads the files of these migrations only. */
  readonly contractsAmong: (names: readonly string[]) => ReadonlySet<string>;
  /** What the folder's baselines replace. Reads the files in SQL. */
  readonly replaced: () => ReadonlySet<string>;
}

function onlyNames(names: readonly string[]): FolderNames {
  return { names, contractsAmong: () => new Set(), replaced: () => new Set() };
}

async function readNames(
  migrationsDir: string,
  { ignorePattern }: Pick<ApplicationOptions, "ignorePattern">,
): Promise<FolderNames> {
  const { dir, entries } = await readFolder(migrationsDir, given({ ignorePattern }));
  return {
    names: entries.map(({ name }) => name),
    contractsAmong: (names) =>
      new Set(
        declaredContracts(
          dir,
          entries.filter(({ name }) => names.includes(name)),
        ).keys(),
      ),
    replaced: () => declaredReplacements(dir, entries),
  };
}

async function readApplied(client: Queryable, options: ApplicationOptions): Promise<ReadonlySet<string>> {
  const { migrationsSchema, migrationsTable } = resolveOptions(options);
  const table = `${pg.escapeIdentifier(migrationsSchema)}.${pg.escapeIdentifier(migrationsTable)}`;
  try {
    const { rows } = await client.query(`SELECT name FROM ${table} ORDER BY id`);
    return new Set(rows.map((row) => String(property(row, "name"))));
  } catch (cause) {
    const sqlstate = property(cause, "code");
    if (sqlstate === UNDEFINED_TABLE) return new Set();
    const hint =
      sqlstate === INSUFFICIENT_PRIVILEGE
        ? {
            hint: `The user needs these rights: GRANT USAGE ON SCHEMA ${pg.escapeIdentifier(migrationsSchema)}; GRANT SELECT ON ${table}.`,
          }
        : {};
    // Only an answer of the server has a severity; Node's error codes are no SQLSTATEs.
    const answered = property(cause, "severity") !== undefined && typeof sqlstate === "string";
    const code = answered ? (REFUSED[sqlstate] ?? "SQL") : "CONNECTION";
    const message = `the table of applied migrations cannot be read: ${errorMessage(cause)}`;
    throw new MigrationError(code, message, { ...hint, ...(answered ? { sqlstate } : {}), cause });
  }
}

/** Connections that the server has refused. */
const REFUSED: Readonly<Record<string, ErrorCode>> = {
  "3D000": "DATABASE_NOT_FOUND",
  "28P01": "AUTH",
  "28000": "AUTH",
};

/** Also for a schema that does not exist. */
const UNDEFINED_TABLE = "42P01";
const INSUFFICIENT_PRIVILEGE = "42501";
