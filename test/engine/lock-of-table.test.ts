import { describe, expect, it } from "@jest/globals";
import { runner } from "node-pg-migrate";
import type pg from "pg";
import { MIGRATION_LOCK_ID } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { isLocked, ONE, waitFor } from "./locking.ts";

/** Plain node-pg-migrate over a folder, in a session of its own. */
async function runPlain(db: TestDatabase, dir: string, schema = "public"): Promise<unknown> {
  const dbClient: pg.Client = await db.client();
  await dbClient.query("SET application_name = 'plain'");
  const logger = { info: () => {}, warn: () => {}, error: () => {} };
  return runner({ dbClient, dir, schema, direction: "up", migrationsTable: "pgmigrations", logger });
}

/** Ends when the table `stage.go` has a row. */
const PATIENT = {
  "1_wait.sql":
    "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM stage.go) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;",
};
const isWaiting = (db: TestDatabase) => async () =>
  (
    await db.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%NOT EXISTS (SELECT FROM stage.go)%' AND pid <> pg_backend_pid()",
    )
  ).length > 0;

/** Does `test` while a run is in its migration, and lets that end. */
async function duringRun(
  db: TestDatabase,
  start: () => Promise<unknown>,
  test: () => Promise<void>,
): Promise<void> {
  await db.query("CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA stage; CREATE TABLE stage.go ()");
  const running = start();
  try {
    await waitFor(isWaiting(db));
    await test();
  } finally {
    await db.query("INSERT INTO stage.go DEFAULT VALUES");
    await running;
  }
}

const upOf = async (db: TestDatabase, dir: string, schema: string) =>
  (await openMigrator(db, dir, { schema: [schema] })).up();

describe("the lock of a table of applied migrations", () => {
  it("runs of two schemas of one database go on at the same time [G70]", () =>
    withDatabase(async (db) => {
      await db.query("CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE arrived (who text)");
      const dir = writeFolder({
        "1_arrive.sql": "INSERT INTO public.arrived VALUES (current_schema());",
        "2_meet.sql": `DO $$ BEGIN FOR i IN 1..1000 LOOP
          IF (SELECT count(*) FROM public.arrived) = 2 THEN RETURN; END IF; PERFORM pg_sleep(0.01); END LOOP;
          RAISE EXCEPTION 'the other run did not come'; END $$;`,
      });
      await Promise.all([upOf(db, dir, "one"), upOf(db, dir, "two")]);
      expect(await appliedNames(db, "one.pgmigrations")).toEqual(["1_arrive", "2_meet"]);
      expect(await appliedNames(db, "two.pgmigrations")).toEqual(["1_arrive", "2_meet"]);
      expect(await isLocked(db)).toBe(false);
    }));

  it("two runs exclude each other when they have the table of applied migrations in common, whatever their schemas", () =>
    withDatabase((db) =>
      duringRun(
        db,
        async () =>
          (
            await openMigrator(db, writeFolder(PATIENT), { schema: ["one"], migrationsSchema: "public" })
          ).up(),
        async () => {
          const options = { schema: ["two"], migrationsSchema: "public", lockWaitMs: 0 };
          const error = await failureOf((await openMigrator(db, writeFolder(ONE), options)).up());
          expect(error.code).toBe("LOCK_HELD");
          expect(error.message).toMatch(
            /^the migration lock of public\.pgmigrations is still held by "cdk-pg-migrate test", pid/,
          );
        },
      ),
    ));

  it("status of one schema does not show a run of another as under way", () =>
    withDatabase((db) =>
      duringRun(
        db,
        () => upOf(db, writeFolder(PATIENT), "one"),
        async () => {
          const statusOf = async (schema: string) =>
            (await openMigrator(db, writeFolder(PATIENT), { schema: [schema] })).status();
          expect((await statusOf("one")).running).toMatchObject({ migration: "1_wait" });
          expect((await statusOf("two")).running).toBeNull();
        },
      ),
    ));

  it.each(["one", "two"])(
    "plain node-pg-migrate in schema %s is refused during a run of schema one",
    (schema) =>
      withDatabase((db) =>
        duringRun(
          db,
          () => upOf(db, writeFolder(PATIENT), "one"),
          () => expect(runPlain(db, writeFolder(ONE), schema)).rejects.toThrow(/already running/),
        ),
      ),
  );

  it.each(["one", "two"])(
    "a run of schema %s waits for plain node-pg-migrate in schema one, names its session and says which lock it is",
    (schema) =>
      withDatabase(async (db) => {
        const dir = writeFolder(ONE);
        let waiting: Promise<unknown> = Promise.resolve();
        await duringRun(
          db,
          () => runPlain(db, writeFolder(PATIENT), "one"),
          async () => {
            const options = { schema: [schema], order: "allow" } as const;
            const impatient = await openMigrator(db, dir, { ...options, lockWaitMs: 0 });
            const error = await failureOf(impatient.up());
            expect(error.code).toBe("LOCK_HELD");
            expect(error.message).toMatch(
              /^the migration lock of node-pg-migrate is still held by "plain", pid/,
            );
            const patient = await openMigrator(db, dir, options);
            waiting = patient.up();
            await waitFor(async () => patient.events.length > 0);
            expect(patient.events).toMatchObject([
              { type: "lock-wait", lock: "node-pg-migrate", holder: { application: "plain" } },
            ]);
          },
        );
        await waiting;
        expect(await appliedNames(db, `${schema}.pgmigrations`)).toContain("1_a");
      }),
  );

  it("a run that waits for its own table does not keep node-pg-migrate's lock", () =>
    withDatabase(async (db) => {
      const holder = await db.client();
      await holder.query(
        `SELECT pg_advisory_lock(hashtextextended('"public"."pgmigrations"', ${MIGRATION_LOCK_ID}))`,
      );
      const migrator = await openMigrator(db, writeFolder(ONE), { lockWaitMs: 0 });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "LOCK_HELD" });
      const [free] = await db.query(`SELECT pg_try_advisory_lock(${MIGRATION_LOCK_ID}) AS free`);
      expect(free).toEqual({ free: true });
    }));

  it("a session that queues for node-pg-migrate's lock is named, because nobody gets the lock before it", () =>
    withDatabase((db) =>
      duringRun(
        db,
        () => upOf(db, writeFolder(PATIENT), "one"),
        async () => {
          const queued = await db.client();
          await queued.query("SET application_name = 'queued'");
          const locked = queued.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK_ID})`).catch(() => undefined);
          await waitFor(
            async () =>
              (
                await db.query(
                  "SELECT FROM pg_stat_activity WHERE application_name = 'queued' AND wait_event_type = 'Lock' AND datname = current_database()",
                )
              ).length > 0,
          );
          const options = { schema: ["two"], lockWaitMs: 0 };
          const error = await failureOf((await openMigrator(db, writeFolder(ONE), options)).up());
          expect(error.message).toMatch(/node-pg-migrate is still held by "queued"/);
          await db.query(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'queued' AND datname = current_database()",
          );
          await locked;
        },
      ),
    ));
});

describe("two runs that change the same rows of the catalogs", () => {
  /** Starts a run while another session has `text` uncommitted, and commits when the run waits for that. */
  async function racing(db: TestDatabase, text: string, run: () => Promise<unknown>): Promise<void> {
    const other = await db.client();
    await other.query(`BEGIN; ${text}`);
    const [{ pid } = { pid: 0 }] = (await other.query<{ pid: number }>("SELECT pg_backend_pid() AS pid"))
      .rows;
    const running = run();
    await waitFor(
      async () =>
        (await db.query("SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))", [pid]))
          .length > 0,
    );
    await other.query("COMMIT");
    await running;
  }

  it("a run makes its schema again when another session has made it at the same moment", () =>
    withDatabase(async (db) => {
      const options = { schema: ["tenant"], createSchema: true };
      await racing(db, "CREATE SCHEMA tenant", async () =>
        (await openMigrator(db, writeFolder(ONE), options)).up(),
      );
      expect(await appliedNames(db, "tenant.pgmigrations")).toEqual(["1_a"]);
    }));

  it.each([
    ["CREATE SCHEMA IF NOT EXISTS shared", "CREATE SCHEMA shared"],
    ["CREATE EXTENSION IF NOT EXISTS tablefunc", "CREATE EXTENSION tablefunc"],
    ["CREATE TABLE IF NOT EXISTS shared ()", "CREATE TABLE shared ()"],
    ["GRANT USAGE ON SCHEMA public TO pg_monitor", "GRANT CREATE ON SCHEMA public TO pg_monitor"],
    [
      "-- migrate: no-transaction\nGRANT USAGE ON SCHEMA public TO pg_monitor",
      "COMMENT ON SCHEMA public IS 'x'; GRANT CREATE ON SCHEMA public TO pg_monitor",
    ],
  ])("a migration that loses a race for a row of the catalogs is tried again: %s", (sql, other) =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder({ "1_a.sql": sql }), { lockRetryDelayMs: 10 });
      await racing(db, other, () => migrator.up());
      expect(migrator.events.filter(({ type }) => type === "retry")).toHaveLength(1);
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }),
  );
});
