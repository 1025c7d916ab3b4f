import { resolve } from "node:path";
import {
  type ConnectionSettings,
  type DownSource,
  given,
  type HistoryFilter,
  type HistoryReport,
  type MigratorOptions,
  type Observer,
  type PlanReport,
  type RunReport,
  type SettleReport,
  type StatusReport,
} from "../core/index.ts";
import { Migrator as Engine, maskedPlan } from "../engine/index.ts";
import { openFolder } from "../folder/index.ts";
import { readDatabaseSettings, readUrlSettings } from "./database-settings.ts";
import { readProvenance } from "./provenance.ts";
import { readVariables } from "./variables.ts";

/** What a migrator works with. Options of the engine have the names and defaults that the commands have. */
export interface MigratorSettings extends MigratorOptions {
  /** A URL, `postgres://user:password@host:5432/name`, or its parts. @default - `DATABASE_*` of the environment and `.env` */
  readonly database?: string | ConnectionSettings;
  /** Folder of the migrations; a relative path starts in the working directory. @default "migrations" */
  readonly migrationsDir?: string;
  /** Regular expression over whole file names that are not migrations. @default - no pattern */
  readonly ignorePattern?: string;
  /** Who runs, for the history. @default - the user of the operating system, and the name of the machine */
  readonly actor?: string;
  /** Version of the migrations, for the history. @default - the git commit of the folder, where there is one */
  readonly revision?: string;
  /** Called with what happens while a run works. What it throws is ignored. @default - nothing is called */
  readonly observe?: Observer;
  /** Cancels the running statement: the run ends rolled back and unlocked, with `CANCELLED`. @default - never */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds since the epoch after which nothing is started. A statement that runs then is cancelled, and the run
   * ends with `DEADLINE`. @default - no limit
   */
  readonly deadline?: number;
}

/** Which pending migrations `up` takes: `count` or `to`, not both. @default - all */
export interface UpInput {
  /** At least 1. */
  readonly count?: number;
  /** As far as and including this migration. */
  readonly to?: string;
  /** Records the migrations as applied and runs no SQL. @default false */
  readonly fake?: boolean;
  /** Digest of an approved plan: what would run must be exactly that, else `PLAN_DIFFERS`. @default - no approval is needed */
  readonly plan?: string;
  /** A contract that runs although it waits for a release. @default - each contract waits for its release */
  readonly contract?: string;
  /** With `contract`: why it may run, for the history. @default - the history says that no reason was given */
  readonly note?: string;
  /**
   * Milliseconds. First runs what is pending in a transaction that is rolled back, and fails with `LOCK_BUDGET` when a
   * migration blocks reads or writes of a table for longer. @default - the setting of the same name
   */
  readonly maxLockMs?: number;
}

/** What `measure` runs, and how far it may go. Times are milliseconds. */
export interface MeasureInput extends Pick<UpInput, "count" | "to" | "maxLockMs"> {
  /** How long a statement waits for a lock, and other sessions for its locks before it ends. @default 500 */
  readonly lockTimeoutMs?: number;
  /** How long one statement may run. @default 30000 */
  readonly statementTimeoutMs?: number;
}

/** Which applied migrations an undo takes: `count`, `to` or `batch`, one of them. @default - the last one */
export interface DownInput {
  /** At least 1. */
  readonly count?: number;
  /** Everything that was applied after this migration, which stays. */
  readonly to?: string;
  /** Everything that the last run applied. @default false */
  readonly batch?: boolean;
  /** Which SQL undoes where a file and the history disagree. @default - that is refused */
  readonly from?: DownSource;
  /** Removes the migrations from the record and runs no SQL. @default false */
  readonly fake?: boolean;
  /** Digest of an approved plan: what would run must be exactly that, else `PLAN_DIFFERS`. @default - no approval is needed */
  readonly plan?: string;
}

/**
 * One folder of migrations and one database. Every method opens a connection of its own and ends it. Methods that write
 * hold the migration lock, so that any number of processes may call them at once. All fail with a `MigrationError`:
 * branch on its `code`, show its `message` and `details.hint`.
 */
export interface Migrator {
  /**
   * Every migration and its state.
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * const { counts, head } = await (await openMigrator()).status();
   * console.log(`${counts.pending} pending after ${head}`);
   */
  status(): Promise<StatusReport>;

  /**
   * The exact SQL that `up` would run, or with `down` or `redo` that of `down` or `redo`. Passwords in it are masked. Runs
   * none of it. Its `digest` identifies what would run, so that it can be approved.
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * const { steps } = await (await openMigrator()).plan();
   * for (const { migration, sql } of steps) console.log(migration, sql?.join("\n"));
   */
  plan(
    input?:
      | Omit<UpInput, "fake" | "plan" | "note" | "maxLockMs">
      | ({ readonly down: true } & Omit<DownInput, "fake" | "plan">)
      | ({ readonly redo: true } & Omit<DownInput, "to" | "fake" | "plan">),
  ): Promise<PlanReport>;

  /**
   * The plan of `up` with `measured`: what the pending migrations lock and for how long, found out by running them in a
   * transaction that is rolled back. It locks those tables meanwhile, for as long as no other session waits for them. With
   * `maxLockMs`, `refusals` names the migrations that are over that budget, or cannot be measured.
   *
   * @throws MigrationError `LOCK_TIMEOUT` when other sessions hold the tables, `LOCK_HELD` during another run
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * const { measured = [] } = await (await openMigrator()).measure({ maxLockMs: 2_000 });
   * for (const { migration, locks } of measured)
   *   for (const { mode, table, heldMs } of locks) console.log(`${migration}: ${mode} on ${table} for ${heldMs} ms`);
   */
  measure(input?: MeasureInput): Promise<PlanReport>;

  /**
   * What was done to this database, newest first.
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * const { entries } = await (await openMigrator()).history({ state: "failed", limit: 10 });
   */
  history(filter?: HistoryFilter): Promise<HistoryReport>;

  /**
   * Applies pending migrations. Does nothing, with four statements, when none is pending. With the digest of an approved
   * `plan` it runs exactly that, or fails with `PLAN_DIFFERS` before anything runs.
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * const migrator = await openMigrator({ database: process.env.DATABASE_URL, lockTimeoutMs: 2_000 });
   * const { completed } = await migrator.up();
   */
  up(input?: UpInput): Promise<RunReport>;

  /**
   * Undoes migrations, newest first, with the SQL of their files or what the history keeps of them.
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * await (await openMigrator()).down({ batch: true });
   */
  down(input?: DownInput): Promise<RunReport>;

  /**
   * Undoes the last migrations and applies the same again.
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * await (await openMigrator()).redo({ count: 2 });
   */
  redo(input?: Omit<DownInput, "to" | "fake">): Promise<RunReport>;

  /**
   * Accepts applied migrations whose files have changed, or were renamed: all of them, or the named ones.
   *
   * @param note why, for the history
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * await (await openMigrator()).repair(["1700000000000_create-users"], "only a comment has changed");
   */
  repair(migrations?: readonly string[], note?: string): Promise<SettleReport>;

  /**
   * Records that the file of an applied migration has another name now. Runs no SQL of it.
   *
   * @param note why, for the history
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * await (await openMigrator()).rename("1700000000000_usres", "1700000000000_users");
   */
  rename(migration: string, to: string, note?: string): Promise<SettleReport>;

  /**
   * Declares an existing database to be at a migration, without running SQL.
   *
   * @param to the newest migration that it has; absent: it has none
   * @param note why, for the history
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * await (await openMigrator()).baseline("1700000000000_create-users", "made by hand in 2019");
   */
  baseline(to?: string, note?: string): Promise<SettleReport>;

  /**
   * Settles a migration that stopped part-way, outside a transaction: `retry` goes on after its last finished statement,
   * `applied` says that it was finished by hand, `reverted` that what it did was undone by hand.
   *
   * @param note why, for the history
   *
   * @example
   * import { openMigrator } from "cdk-pg-migrate/client";
   *
   * await (await openMigrator()).resolve("1700000000000_index-users", "retry");
   */
  resolve(migration: string, outcome: "retry" | "applied" | "reverted", note?: string): Promise<SettleReport>;
}

/**
 * Opens a folder of migrations for one database. Nothing connects yet.
 *
 * @throws MigrationError `USAGE` for settings that are wrong and for a folder that cannot be read
 *
 * @example
 * import { openMigrator } from "cdk-pg-migrate/client";
 *
 * const migrator = await openMigrator({
 *   database: "postgres://app:secret@localhost:5432/shop",
 *   migrationsDir: "db/migrations",
 *   observe: (event) => console.log(event.type),
 * });
 * await migrator.up();
 */
export async function openMigrator(settings: MigratorSettings = {}): Promise<Migrator> {
  const { database, migrationsDir = "migrations", ignorePattern, actor, revision, ...rest } = settings;
  const { observe, signal, deadline, ...options } = rest;
  const source = await openFolder(resolve(migrationsDir), given({ ignorePattern }));
  const own = readProvenance(source.dir);
  const engine = new Engine({
    connection: connectionOf(database),
    source,
    provenance: {
      actor: actor ?? own.actor,
      // A program runs it: the history knows the command line, a deploy, and a command from elsewhere.
      origin: "command",
      tool: own.tool,
      get revision() {
        return revision ?? own.revision;
      },
    },
    options,
    ...given({ observe, signal, deadline }),
  });
  return migratorOf(engine);
}

function connectionOf(database: MigratorSettings["database"]): ConnectionSettings {
  const cwd = process.cwd();
  if (database === undefined) return readDatabaseSettings(readVariables(process.env, cwd), cwd).connection;
  if (typeof database !== "string") return database;
  return readUrlSettings(database, { urlName: "the option database", cwd, values: {} }).connection;
}

function migratorOf(engine: Engine): Migrator {
  return {
    status: () => engine.status(),
    plan: async (input = {}) => {
      if ("down" in input) {
        const { down: _, ...extent } = input;
        return maskedPlan(await engine.planDown(extent));
      }
      if (!("redo" in input)) return maskedPlan(await engine.planUp(input));
      const { redo: _, ...extent } = input;
      return maskedPlan(await engine.planRedo(extent));
    },
    history: (filter) => engine.history(filter),
    measure: async ({ maxLockMs, lockTimeoutMs, statementTimeoutMs, ...extent } = {}) =>
      maskedPlan(await engine.measureUp(extent, given({ maxLockMs, lockTimeoutMs, statementTimeoutMs }))),
    up: ({ fake, plan, ...extent } = {}) =>
      engine.up({ ...extent, ...given({ approved: plan }) }, fake ? "fake" : "execute"),
    down: ({ fake, plan, ...extent } = {}) =>
      engine.down({ ...extent, ...given({ approved: plan }) }, fake ? "fake" : "execute"),
    redo: ({ plan, ...extent } = {}) => engine.redo({ ...extent, ...given({ approved: plan }) }),
    repair: (migrations, note) => engine.repair(migrations, note),
    rename: (migration, to, note) => engine.rename(migration, to, note),
    baseline: (to, note) => engine.baseline(to, note),
    resolve: (migration, outcome, note) => engine.resolve(migration, outcome, note),
  };
}
