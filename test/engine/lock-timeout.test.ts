import { describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { waitFor } from "./locking.ts";

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

  it("a statement names who blocks it, is tried again, and fails after the last try [G23]", () =>
    withBusyTable(async (db, holder, dir) => {
      const options = { lockTimeoutMs: 150, lockRetries: 2, lockRetryDelayMs: 20 };
      const migrator = await openMigrator(db, dir, options);
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { sqlstate: "55P03", migration: "2_b" } });
      expect(error.message).toMatch(/blocked by "nightly report", pid \d+, user \w+.*LOCK TABLE busy/);
      expect(migrator.events.filter(({ type }) => type === "retry")).toMatchObject([
        { attempt: 2, attempts: 3, migration: "2_b", reason: "canceling statement due to lock timeout" },
        { attempt: 3, attempts: 3 },
      ]);
      expect(migrator.events.filter(({ type }) => type === "blocked")).toHaveLength(3);
      await holder.query("ROLLBACK");
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));

  it.each(["each", "all"] as const)(
    "with --transaction %s, a statement succeeds once when the table is released in time [G23]",
    (transaction) =>
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

  it("only the statement is tried again outside a transaction", () =>
    withBusyTable(async (db, holder, dir) => {
      addFiles(dir, {
        "2_b.sql": "-- migrate: no-transaction\nCREATE TABLE before ();\nALTER TABLE busy ADD b int;",
      });
      const options = { lockTimeoutMs: 150, lockRetries: 30, lockRetryDelayMs: 50 };
      const migrator = await openMigrator(db, dir, options);
      const running = migrator.up();
      await waitFor(async () => migrator.events.some(({ type }) => type === "retry"));
      await holder.query("ROLLBACK");
      await running;
      expect(await db.query("SELECT b FROM busy")).toEqual([]);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));
});
