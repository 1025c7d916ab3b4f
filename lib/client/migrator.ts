import { resolve } from "node:path";
import {
  given,
  type HistoryFilter,
  type HistoryReport,
  type PlanReport,
  type RunReport,
  type SettleReport,
  type StatusReport,
} from "../core/index.ts";
import { Migrator as Engine, maskedPlan } from "../engine/index.ts";
import { openFolder } from "../folder/index.ts";
import { type DatabaseSettings, readDatabaseSettings, readUrlSettings } from "./database-settings.ts";
import {
  type DownInput,
  type MeasureInput,
  type MigratorSettings,
  requireKnown,
  type UpInput,
} from "./inputs.ts";
import { programProvenance } from "./provenance.ts";
import { readVariables } from "./variables.ts";

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
 * @throws MigrationError `USAGE` for settings that are wrong or unknown, and for a folder that cannot be read
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
  requireKnown("openMigrator", settings);
  const { database, migrationsDir = "migrations", ignorePattern, actor, revision, ...rest } = settings;
  const { observe, signal, deadline, ...options } = rest;
  const source = await openFolder(resolve(migrationsDir), given({ ignorePattern }));
  const engine = new Engine({
    connection: settingsOf(database).connection,
    source,
    provenance: programProvenance(source.dir, { actor, revision }),
    options,
    ...given({ observe, signal, deadline }),
  });
  return migratorOf(engine);
}

/** The database that a program names, and the same user on others. */
export function settingsOf(
  database: MigratorSettings["database"],
): Pick<DatabaseSettings, "connection" | "connectionTo"> {
  const cwd = process.cwd();
  if (database === undefined) return readDatabaseSettings(readVariables(process.env, cwd), cwd);
  if (typeof database === "string")
    return readUrlSettings(database, { urlName: "the option database", cwd, values: {} });
  return {
    connection: database,
    connectionTo: ({ host, port, database: name }) => ({ ...database, host, port, database: name }),
  };
}

function migratorOf(engine: Engine): Migrator {
  return {
    status: () => engine.status(),
    plan: async (input = {}) => {
      if ("down" in input) {
        requireKnown("plan of down", input);
        const { down: _, ...extent } = input;
        return maskedPlan(await engine.planDown(extent));
      }
      if (!("redo" in input)) {
        requireKnown("plan of up", input);
        return maskedPlan(await engine.planUp(input));
      }
      requireKnown("plan of redo", input);
      const { redo: _, ...extent } = input;
      return maskedPlan(await engine.planRedo(extent));
    },
    history: async (filter = {}) => {
      requireKnown("history", filter);
      return engine.history(filter);
    },
    measure: async (input = {}) => {
      requireKnown("measure", input);
      const { maxLockMs, lockTimeoutMs, statementTimeoutMs, ...extent } = input;
      return maskedPlan(
        await engine.measureUp(extent, given({ maxLockMs, lockTimeoutMs, statementTimeoutMs })),
      );
    },
    up: async (input = {}) => {
      requireKnown("up", input);
      const { fake, plan, ...extent } = input;
      return engine.up({ ...extent, ...given({ approved: plan }) }, fake ? "fake" : "execute");
    },
    down: async (input = {}) => {
      requireKnown("down", input);
      const { fake, plan, ...extent } = input;
      return engine.down({ ...extent, ...given({ approved: plan }) }, fake ? "fake" : "execute");
    },
    redo: async (input = {}) => {
      requireKnown("redo", input);
      const { plan, ...extent } = input;
      return engine.redo({ ...extent, ...given({ approved: plan }) });
    },
    repair: (migrations, note) => engine.repair(migrations, note),
    rename: (migration, to, note) => engine.rename(migration, to, note),
    baseline: (to, note) => engine.baseline(to, note),
    resolve: (migration, outcome, note) => engine.resolve(migration, outcome, note),
  };
}
