import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { isLocked, LOCK, ONE, UNLOCK, waitFor } from "./locking.ts";

describe("the migration lock", () => {
  it("a run waits for the lock within bounds and names the holder", () =>
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
      expect(String(error.details.hint)).toContain(`pg_terminate_backend(${pid})`);
      const waits = migrator.events.filter((event) => event.type === "lock-wait");
      expect(waits).toHaveLength(1);
      expect(waits[0]).toMatchObject({ holder: { pid, application: "somebody else" } });
      expect(await userTables(db)).toEqual([]);
    }));

  it("a run without time to wait asks for the lock once", () =>
    withDatabase(async (db) => {
      await (await db.client()).query(LOCK);
      const migrator = await openMigrator(db, writeFolder(ONE), { lockWaitMs: 0 });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "LOCK_HELD" });
      expect(migrator.events).toEqual([]);
    }));

  it("a run takes the lock when the holder releases it, and releases it afterwards", () =>
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

  it("a run with nothing to do does not take the lock", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(ONE);
      await (await openMigrator(db, dir)).up();
      await (await db.client()).query(LOCK);
      expect(await (await openMigrator(db, dir, { lockWaitMs: 0 })).up()).toMatchObject({ completed: [] });
    }));

  it("a waiting run polls, which lets CREATE INDEX CONCURRENTLY of the other run finish", () =>
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

  it("eight runs at once apply each migration once, and all succeed [G16]", () =>
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

  it("status shows the holder as a run under way, with its current migration", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a ();", "2_slow.sql": "SELECT pg_sleep(20);" });
      const cancel = new AbortController();
      const migrator = await openMigrator(db, dir);
      expect((await migrator.status()).running).toBeNull();
      const run = failureOf((await openMigrator(db, dir, {}, { signal: cancel.signal })).up());
      await waitFor(async () => (await migrator.status()).running?.migration === "2_slow");
      const { running, counts } = await migrator.status();
      expect(running).toMatchObject({ user: db.connection.user, application: "cdk-pg-migrate test" });
      expect(running?.pid).toBeGreaterThan(0);
      expect(counts).toMatchObject({ applied: 1, pending: 1 });
      const waiting = await failureOf((await openMigrator(db, dir, { lockWaitMs: 0 })).up());
      expect(waiting.message).toContain("running migration 2_slow");
      expect(waiting.message).not.toMatch(/pg_sleep|RESET|BEGIN/);
      cancel.abort();
      await run;
      expect((await migrator.status()).running).toBeNull();
    }));

  it("status shows what another program that holds the lock runs", () =>
    withDatabase(async (db) => {
      const holder = await db.client();
      await holder.query(LOCK);
      const { running } = await (await openMigrator(db, writeFolder(ONE))).status();
      expect(running).toMatchObject({ migration: null, query: LOCK, application: "test" });
    }));
});
