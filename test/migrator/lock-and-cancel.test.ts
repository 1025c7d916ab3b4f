import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const LOCK = "SELECT pg_advisory_lock(7241865325823964)";
const UNLOCK = "SELECT pg_advisory_unlock(7241865325823964)";
const ONE = { "1_a.sql": "CREATE TABLE a ();" };

async function waitFor(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await what()) return;
    await sleep(25);
  }
  throw new Error("it did not come to pass within five seconds");
}

const isRunning = (db: TestDatabase, text: string) => async () => {
  const rows = await db.query(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()",
    [`%${text}%`],
  );
  return rows.length > 0;
};

async function isLocked(db: TestDatabase): Promise<boolean> {
  const rows = await db.query(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  return rows.length > 0;
}

describe("the migration lock", () => {
  it("is waited for within bounds, and its holder is named", () =>
    withDatabase(async (db) => {
      const holder = await db.client();
      await holder.query("SET application_name = 'somebody else'");
      await holder.query(LOCK);
      const [{ pid } = { pid: 0 }] = (await holder.query<{ pid: number }>("SELECT pg_backend_pid() AS pid"))
        .rows;
      const migrator = await openMigrator(db, writeFolder(ONE), { lockWaitMs: 400 });
      const error = await failureOf(migrator.up());
      expect(error.code).toBe("LOCK_HELD");
      expect(error.message).toContain(`"somebody else", pid ${pid}, user ${db.connection.user}`);
      expect(error.details.hint).toContain(`pg_terminate_backend(${pid})`);
      const waits = migrator.events.filter((event) => event.type === "lock-wait");
      expect(waits).toHaveLength(1);
      expect(waits[0]).toMatchObject({ holder: { pid, application: "somebody else" } });
      expect(await userTables(db)).toEqual([]);
    }));

  it("with no patience at all is asked for once", () =>
    withDatabase(async (db) => {
      await (await db.client()).query(LOCK);
      const migrator = await openMigrator(db, writeFolder(ONE), { lockWaitMs: 0 });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "LOCK_HELD" });
      expect(migrator.events).toEqual([]);
    }));

  it("is taken over when the holder lets go, and let go afterwards", () =>
    withDatabase(async (db) => {
      const holder = await db.client();
      await holder.query(LOCK);
      const running = (await openMigrator(db, writeFolder(ONE))).up();
      await sleep(300);
      expect(await appliedNames(db).catch(() => "no table yet")).toBe("no table yet");
      await holder.query(UNLOCK);
      await running;
      expect(await appliedNames(db)).toEqual(["1_a"]);
      expect(await isLocked(db)).toBe(false);
    }));

  it("is not taken when there is nothing to do", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(ONE);
      await (await openMigrator(db, dir)).up();
      await (await db.client()).query(LOCK);
      expect(await (await openMigrator(db, dir, { lockWaitMs: 0 })).up()).toMatchObject({ completed: [] });
    }));

  it("polling lets CREATE INDEX CONCURRENTLY of the other run finish", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "0_t.sql": "CREATE TABLE t (a int)",
        "1_i.sql":
          "-- migrate: no-transaction\nSELECT pg_sleep(0.5);\nCREATE INDEX CONCURRENTLY t_a ON t (a);",
      });
      const runs = await Promise.all([1, 2, 3].map(async () => (await openMigrator(db, dir)).up()));
      expect(runs.map((run) => run.completed.length).sort()).toEqual([0, 0, 2]);
      expect(await db.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass")).toEqual([
        { indisvalid: true },
      ]);
    }));

  it("eight runs at once apply each migration once, and all succeed", () =>
    withDatabase(async (db) => {
      const files = Object.fromEntries(
        Array.from({ length: 10 }, (_, n) => [
          `${n + 1}_m.sql`,
          `CREATE TABLE m${n} (); SELECT pg_sleep(0.02);`,
        ]),
      );
      const dir = writeFolder(files);
      const runs = await Promise.all(
        Array.from({ length: 8 }, async () => (await openMigrator(db, dir)).up()),
      );
      expect(runs.reduce((sum, run) => sum + run.completed.length, 0)).toBe(10);
      expect(await appliedNames(db)).toHaveLength(10);
    }));
});

describe("cancelling", () => {
  it.each([
    ["each", ["a"]],
    ["all", []],
  ] as const)("%s: stops the running statement, rolls back and unlocks", (transaction, kept) =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...ONE,
        "2_b.sql": "CREATE TABLE b (); SELECT pg_sleep(60);",
        "3_c.sql": "CREATE TABLE c ();",
      });
      const cancel = new AbortController();
      const migrator = await openMigrator(db, dir, { transaction }, { signal: cancel.signal });
      const failing = failureOf(migrator.up());
      await waitFor(isRunning(db, "CREATE TABLE b"));
      cancel.abort("SIGINT");
      const error = await failing;
      expect(error).toMatchObject({
        code: "CANCELLED",
        message: "cancelled (SIGINT)",
        details: { migration: "2_b", applied: kept.map((name) => `1_${name}`) },
      });
      expect(await userTables(db)).toEqual(kept);
      expect(await isLocked(db)).toBe(false);
      expect(await isRunning(db, "CREATE TABLE b")()).toBe(false);
      const rows = await db.query(
        "SELECT migration, state, error_code FROM pgmigrations_history WHERE state = 'failed'",
      );
      expect(rows).toEqual([{ migration: "2_b", state: "failed", error_code: "CANCELLED" }]);
      await (await openMigrator(db, writeFolder({ ...ONE, "2_b.sql": "CREATE TABLE b ();" }))).up();
      expect(await userTables(db)).toEqual(["a", "b"]);
    }),
  );

  it("while waiting for the lock ends the waiting", () =>
    withDatabase(async (db) => {
      await (await db.client()).query(LOCK);
      const cancel = new AbortController();
      const migrator = await openMigrator(
        db,
        writeFolder(ONE),
        { lockWaitMs: 60_000 },
        { signal: cancel.signal },
      );
      const failing = failureOf(migrator.up());
      await sleep(300);
      cancel.abort("SIGTERM");
      expect(await failing).toMatchObject({ code: "CANCELLED" });
    }));

  it("before the run begins does nothing at all", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(ONE), {}, { signal: AbortSignal.abort("SIGINT") });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "CANCELLED" });
      expect(await userTables(db)).toEqual([]);
    }));
});

describe("a lost connection", () => {
  it("is told apart from a wrong statement, and a second run finishes the work", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ONE, "2_b.sql": "CREATE TABLE b (); SELECT pg_sleep(0.7);" });
      const failing = failureOf((await openMigrator(db, dir)).up());
      await waitFor(isRunning(db, "CREATE TABLE b"));
      await db.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%CREATE TABLE b%' AND pid <> pg_backend_pid()",
      );
      expect(await failing).toMatchObject({
        code: "CONNECTION",
        details: { migration: "2_b", applied: ["1_a"] },
      });
      expect(await userTables(db)).toEqual(["a"]);
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));
});

describe("a statement that waits for a table", () => {
  /** A database with a table that another session holds. */
  const withBusyTable = (test: (db: TestDatabase, holder: pg.Client, dir: string) => Promise<void>) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE busy (a int);" });
      await (await openMigrator(db, dir)).up();
      const holder = await db.client();
      await holder.query("SET application_name = 'nightly report'");
      await holder.query("BEGIN; LOCK TABLE busy");
      addFiles(dir, { "2_b.sql": "ALTER TABLE busy ADD b int;", "3_c.sql": "CREATE TABLE c ();" });
      await test(db, holder, dir);
    });

  it("names who blocks it, is tried again, and gives up after the last try", () =>
    withBusyTable(async (db, holder, dir) => {
      const options = { lockTimeoutMs: 150, lockRetries: 2, lockRetryDelayMs: 20 };
      const migrator = await openMigrator(db, dir, options);
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { sqlstate: "55P03", migration: "2_b" } });
      expect(error.message).toMatch(/blocked by "nightly report", pid \d+, user \w+.*LOCK TABLE busy/);
      expect(migrator.events.filter(({ type }) => type === "retry")).toMatchObject([
        { attempt: 2, migration: "2_b" },
        { attempt: 3 },
      ]);
      expect(migrator.events.filter(({ type }) => type === "blocked")).toHaveLength(3);
      await holder.query("ROLLBACK");
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));

  it.each(["each", "all"] as const)("%s: succeeds when the table is let go in time, once", (transaction) =>
    withBusyTable(async (db, holder, dir) => {
      const options = { lockTimeoutMs: 150, lockRetries: 20, lockRetryDelayMs: 50, transaction };
      const migrator = await openMigrator(db, dir, options);
      const running = migrator.up();
      await waitFor(async () => migrator.events.some(({ type }) => type === "retry"));
      await holder.query("ROLLBACK");
      const { completed } = await running;
      expect(completed.map(({ migration }) => migration)).toEqual(["2_b", "3_c"]);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
      const failed = await db.query("SELECT 1 FROM pgmigrations_history WHERE state = 'failed'");
      expect(failed).toEqual([]);
    }),
  );

  it("outside a transaction only the statement is tried again, and an invalid index goes first", () =>
    withBusyTable(async (db, holder, dir) => {
      addFiles(dir, {
        "2_b.sql":
          "-- migrate: no-transaction\nCREATE TABLE before ();\nCREATE INDEX CONCURRENTLY busy_a ON busy (a);",
      });
      await holder.query("ROLLBACK; BEGIN; INSERT INTO busy VALUES (1)");
      const options = { lockTimeoutMs: 150, lockRetries: 30, lockRetryDelayMs: 50 };
      const migrator = await openMigrator(db, dir, options);
      const running = migrator.up();
      await waitFor(async () => migrator.events.some(({ type }) => type === "retry"));
      await holder.query("ROLLBACK");
      await running;
      const index = await db.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_a'::regclass");
      expect(index).toEqual([{ indisvalid: true }]);
    }));
});

describe("a deadline", () => {
  it("cancels the running statement, keeps what was done, and a second run goes on", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ONE, "2_b.sql": "CREATE TABLE b (); SELECT pg_sleep(30);" });
      const error = await failureOf((await openMigrator(db, dir, {}, { deadline: Date.now() + 700 })).up());
      expect(error).toMatchObject({ code: "DEADLINE", details: { applied: ["1_a"], remaining: ["2_b"] } });
      expect(await isLocked(db)).toBe(false);
      addFiles(dir, { "2_b.sql": "CREATE TABLE b ();" });
      await (await openMigrator(db, dir, {}, { deadline: Date.now() + 60_000 })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("limits statements in the server too, should this process be gone", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a AS SELECT current_setting('statement_timeout') AS t;",
      });
      await (await openMigrator(db, dir, {}, { deadline: Date.now() + 60_000 })).up();
      const [{ t } = { t: "" }] = await db.query<{ t: string }>("SELECT t FROM a");
      expect(t).toMatch(/^(5\d+ms|5\ds|1min)$/);
    }));

  it("that has passed starts nothing", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(ONE), {}, { deadline: Date.now() - 1 });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "DEADLINE" });
      expect(await userTables(db)).toEqual([]);
    }));
});
