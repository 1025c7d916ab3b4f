import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { isLocked, LOCK, ONE, waitFor } from "./locking.ts";

const isRunning = (db: TestDatabase, text: string) => async () => {
  const rows = await db.query(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()",
    [`%${text}%`],
  );
  return rows.length > 0;
};

describe("cancelling", () => {
  it.each([
    ["each", ["a"]],
    ["all", []],
  ] as const)(
    "with --transaction %s, a cancelled run stops its statement, rolls back and unlocks [G11]",
    (transaction, kept) =>
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

  it("a run that is cancelled while it waits for the lock stops waiting [G11]", () =>
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

  it("a run that is cancelled before it begins does nothing", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(ONE), {}, { signal: AbortSignal.abort("SIGINT") });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "CANCELLED" });
      expect(await userTables(db)).toEqual([]);
    }));
});

describe("a lost connection", () => {
  it("a lost connection is told apart from a wrong statement, and a second run finishes the work [G4]", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ONE, "2_b.sql": "CREATE TABLE b (); SELECT pg_sleep(0.7);" });
      const failing = failureOf((await openMigrator(db, dir)).up());
      await waitFor(isRunning(db, "CREATE TABLE b"));
      await db.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%CREATE TABLE b%' AND pid <> pg_backend_pid() AND datname = current_database()",
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

describe("a deadline", () => {
  it("a deadline cancels the running statement and keeps what is complete, and a second run goes on", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ONE, "2_b.sql": "CREATE TABLE b (); SELECT pg_sleep(30);" });
      const error = await failureOf((await openMigrator(db, dir, {}, { deadline: Date.now() + 700 })).up());
      expect(error).toMatchObject({ code: "DEADLINE", details: { applied: ["1_a"], remaining: ["2_b"] } });
      expect(await isLocked(db)).toBe(false);
      addFiles(dir, { "2_b.sql": "CREATE TABLE b ();" });
      await (await openMigrator(db, dir, {}, { deadline: Date.now() + 60_000 })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("a deadline limits the statements in the server too, in case the process dies [G12]", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a AS SELECT current_setting('statement_timeout') AS t;",
      });
      await (await openMigrator(db, dir, {}, { deadline: Date.now() + 60_000 })).up();
      const [{ t } = { t: "" }] = await db.query<{ t: string }>("SELECT t FROM a");
      expect(t).toMatch(/^(5\d+ms|5\ds|1min)$/);
    }));

  it("a run whose deadline has passed starts nothing", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(ONE), {}, { deadline: Date.now() - 1 });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "DEADLINE" });
      expect(await userTables(db)).toEqual([]);
    }));
});
