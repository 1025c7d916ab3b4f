import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../../support/database.ts";
import { writeFolder } from "../../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../../support/migrator.ts";
import { waitFor } from "../locking.ts";
import { everythingIn, ORDERS, withPending } from "./measured.ts";

/** Blocks orders for a second. */
const SLOW = "LOCK TABLE orders IN SHARE MODE; SELECT pg_sleep(1);";

describe("a budget for locks", () => {
  it("a run that would exceed its budget for locks fails before anything has run [G47]", () =>
    withDatabase(async (db) => {
      const slow = "LOCK TABLE orders IN SHARE MODE; SELECT pg_sleep(20);";
      const pending = { "2_b.sql": "CREATE TABLE b ();", "3_c.sql": slow, "4_d.sql": "CREATE TABLE d ();" };
      const migrator = await withPending(db, pending, { options: { maxLockMs: 300 } });
      const before = await everythingIn(db);
      const startedAt = performance.now();
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "LOCK_BUDGET", details: { migration: "3_c" } });
      expect(error.message).toMatch(
        /^3_c would block writes of orders for at least \d+ ms \(SHARE\); at most 300 ms is allowed$/,
      );
      // The lock is let go as soon as it is known.
      expect(performance.now() - startedAt).toBeLessThan(15_000);
      expect(await everythingIn(db)).toEqual(before);
    }));

  it("a run names each migration that would exceed the budget on a line of its own", () =>
    withDatabase(async (db) => {
      const lock = "LOCK TABLE orders IN SHARE MODE; SELECT pg_sleep(0.005);";
      const pending = { "2_b.sql": lock, "3_c.sql": lock };
      const migrator = await withPending(db, pending, { options: { maxLockMs: 0 } });
      expect((await failureOf(migrator.up())).message).toMatch(
        /^2 migrations are not within the budget for locks:\n {2}2_b would block .*\n {2}3_c would block .*$/,
      );
    }));

  it("a table that is locked while a run is measured is no reason for a longer lock timeout", () =>
    withDatabase(async (db) => {
      const options = { maxLockMs: 1_000, lockRetries: 0 };
      const migrator = await withPending(db, { "2_b.sql": "ALTER TABLE orders ADD z int;" }, { options });
      const reader = await db.client();
      await reader.query("BEGIN; SELECT FROM orders");
      const { code, details } = await failureOf(migrator.up());
      expect(code).toBe("LOCK_TIMEOUT");
      expect(String(details.hint)).toMatch(/^It was only measured, and nothing was run\./);
      await reader.query("ROLLBACK");
    }));

  it("a run within its budget is applied, and the budget of one run comes before that of the engine", () =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { "2_b.sql": SLOW }, { options: { maxLockMs: 0 } });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "LOCK_BUDGET" });
      await migrator.up({ maxLockMs: 5_000 });
      expect(await appliedNames(db)).toEqual(["1_orders", "2_b"]);
    }));

  it.each([
    [
      "a table of the same run",
      {
        "2_b.sql": "CREATE TABLE b (); LOCK TABLE b;",
        "3_c.sql": "SELECT pg_sleep(0.2); ALTER TABLE b ADD c int; SELECT pg_sleep(0.2);",
      },
    ],
    [
      "a lock that blocks schema changes only",
      {
        "2_b.sql":
          "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE; SELECT pg_sleep(0.3); UPDATE orders SET total = 1 WHERE id = 1;",
      },
    ],
    [
      "an index that is built concurrently",
      { "2_b.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY c ON orders (note);" },
    ],
    [
      "backfill",
      { "2_b.sql": "-- migrate: backfill\nUPDATE orders SET note = 'y' WHERE note = 'x' AND :batch;" },
    ],
    ["seed rows", { "2_b.sql": "INSERT INTO orders (total) VALUES (1);" }],
  ])("lets a run pass with %s", (_, pending: Record<string, string>) =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, pending, { options: { maxLockMs: 100 } });
      await migrator.up();
      expect((await appliedNames(db)).length).toBe(1 + Object.keys(pending).length);
    }),
  );

  it.each([
    [
      "another statement outside a transaction",
      "-- migrate: no-transaction\nALTER TABLE orders ADD b int;",
      /outside a transaction/,
    ],
    [
      "a statement left out under a lock",
      "ALTER TABLE orders ADD b int; INSERT INTO orders (total) VALUES (1);",
      /statement 2, which runs while a table is locked, was left out/,
    ],
    [
      "a statement that would fail",
      "ALTER TABLE orders ADD CONSTRAINT small CHECK (total < 5);",
      /it fails: statement 1: .*small/,
    ],
  ])("refuses what cannot be measured: %s", (_, sql, message) =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { "2_b.sql": sql }, { options: { maxLockMs: 5_000 } });
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "LOCK_BUDGET", details: { migration: "2_b" } });
      expect(error.message).toMatch(message);
      expect(await appliedNames(db)).toEqual(["1_orders"]);
    }),
  );

  it("a budget counts nothing on a database without tables, whatever the migrations do", () =>
    withDatabase(async (db) => {
      const files = {
        "1_a.sql": "CREATE TABLE a (); LOCK TABLE a; SELECT pg_sleep(0.2);",
        "2_b.sql": "-- migrate: no-transaction\nALTER TABLE a ADD b int;",
        "3_c.sql": "ALTER TABLE a ADD c int;",
      };
      const migrator = await openMigrator(db, writeFolder(files), { maxLockMs: 100 });
      expect(await migrator.measureUp()).toMatchObject({ refusals: [], measured: [{}, {}, {}] });
      await migrator.up();
      expect(migrator.events.filter(({ type }) => type === "measuring")).toHaveLength(3);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));

  it("a plan says what is over the budget", () =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { "2_b.sql": SLOW, "3_c.sql": "CREATE TABLE c ();" });
      const { digest, refusals } = await migrator.measureUp({}, { maxLockMs: 200 });
      expect(digest).toBeNull();
      expect(refusals).toMatchObject([{ code: "LOCK_BUDGET", migrations: ["2_b"] }]);
    }));

  it("a budget is no matter of down, redo and runs that only record", () =>
    withDatabase(async (db) => {
      const files = {
        "1_orders.sql": ORDERS,
        "2_b.sql": `-- Up Migration\nCREATE TABLE b ();\n-- Down Migration\n${SLOW} DROP TABLE b;`,
      };
      const migrator = await openMigrator(db, writeFolder(files), { maxLockMs: 100 });
      await migrator.up();
      await migrator.redo();
      await migrator.down();
      await migrator.up({}, "fake");
      expect(migrator.events.filter(({ type }) => type === "measuring")).toEqual([]);
    }));

  it("measuring for a budget is retried while another session holds the table, which is named", () =>
    withDatabase(async (db) => {
      const options = { maxLockMs: 1_000, lockTimeoutMs: 300, lockRetries: 20, lockRetryDelayMs: 20 };
      const migrator = await withPending(db, { "2_b.sql": "ALTER TABLE orders ADD b int;" }, { options });
      const holder = await db.client();
      await holder.query("BEGIN; LOCK TABLE orders");
      const running = migrator.up();
      await waitFor(async () => migrator.events.some(({ type }) => type === "blocked"));
      await holder.query("ROLLBACK");
      expect((await running).completed).toHaveLength(1);
    }));

  it("others wait no longer than the budget for a table that is measured [G47]", () =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, {
        "2_b.sql": "LOCK TABLE orders; SELECT pg_sleep(20); ALTER TABLE orders ALTER total TYPE bigint;",
      });
      const clients = await Promise.all([db.client(), db.client()]);
      let isOver = false;
      const waits = clients.map(async (client, index) => {
        let longest = 0;
        while (!isOver) {
          const startedAt = performance.now();
          await client.query(
            index === 0
              ? "SELECT count(*) FROM orders WHERE id < 10"
              : "UPDATE orders SET note = 'z' WHERE id = 5",
          );
          longest = Math.max(longest, performance.now() - startedAt);
        }
        return longest;
      });
      const { measured } = await migrator.measureUp({}, { maxLockMs: 700 });
      isOver = true;
      expect(measured).toMatchObject([{ outcome: "stopped" }]);
      // Apart from the checks of the guard and the load of the tests, it is the budget.
      for (const longest of await Promise.all(waits)) expect(longest).toBeLessThan(10_000);
    }));
});
