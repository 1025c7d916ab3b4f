import { describe, expect, it } from "@jest/globals";
import { MIGRATION_LOCK_ID } from "../../../lib/core/index.ts";
import { IN_THIS_DATABASE, withDatabase } from "../../support/database.ts";
import { writeFolder } from "../../support/folders.ts";
import { failureOf, openMigrator } from "../../support/migrator.ts";
import { chosenCases } from "../../support/postgres.ts";
import { waitFor } from "../locking.ts";
import { everythingIn, locksIn, measure, ORDERS, withPending } from "./measured.ts";

/** Migrations outside a transaction, and whether they are known to block nobody. */
const OUTSIDE: readonly (readonly [string, boolean])[] = [
  ["CREATE INDEX CONCURRENTLY c ON orders (note);", true],
  ["ALTER TABLE orders ADD c int;", false],
  ["VACUUM (FULL) orders;", false],
  ["VACUUM orders;", true],
];

describe("plan --measure", () => {
  it("measuring tells what a migration locks, for how long, what it rewrites, builds and writes, and how large that is", () =>
    withDatabase(async (db) => {
      const [measured] = await measure(db, {
        "2_b.sql":
          "CREATE INDEX orders_note ON orders (note); SELECT pg_sleep(0.2); UPDATE orders SET total = 0 WHERE id <= 10; ALTER TABLE orders ALTER total TYPE bigint;",
      });
      expect(measured).toMatchObject({
        migration: "2_b",
        outcome: "measured",
        locks: [
          {
            table: "orders",
            kind: "table",
            mode: "ACCESS EXCLUSIVE",
            blocks: "reads and writes",
            rows: 5_000,
            rewritten: true,
          },
          { table: "orders", mode: "SHARE", blocks: "writes" },
        ],
        rows: [{ table: "orders", inserted: 0, updated: 10, deleted: 0 }],
        omitted: [],
        sequences: [],
      });
      expect(measured?.indexes.map(({ index }) => index).toSorted()).toEqual(["orders_note", "orders_pkey"]);
      const [exclusive, share] = measured?.locks ?? [];
      expect(exclusive?.bytes).toBeGreaterThan(200_000);
      expect(measured?.walBytes).toBeGreaterThan(200_000);
      expect(share?.heldMs).toBeGreaterThan(200);
      expect(exclusive?.heldMs).toBeLessThan((share?.heldMs ?? 0) - 190);
    }));

  it("measuring leaves nothing behind, whatever the migrations do [G45]", () =>
    withDatabase(async (db) => {
      const pending = {
        "2_seed.sql":
          "INSERT INTO orders (note, total) VALUES ('seed', 1); SELECT setval('orders_id_seq', 5);",
        "3_change.sql":
          "ALTER TABLE orders ADD price numeric, ALTER total TYPE bigint; UPDATE orders SET total = 0; NOTIFY orders, 'x'; CREATE ROLE measured_role; ALTER SEQUENCE orders_id_seq RESTART WITH 7; DELETE FROM orders WHERE id > 5;",
        "4_code.js":
          "export const up = async (pgm) => { await pgm.db.query(\"CREATE TABLE made (id serial, t text)\"); await pgm.db.query('INSERT INTO made (t) VALUES ($1)', ['x']); pgm.sql('TRUNCATE orders RESTART IDENTITY'); };",
        "5_drop.sql": "DROP TABLE orders CASCADE;",
      };
      const migrator = await withPending(db, pending);
      const listener = await db.client();
      const heard: unknown[] = [];
      listener.on("notification", (message) => heard.push(message));
      await listener.query("LISTEN orders");
      const before = await everythingIn(db);
      const { measured } = await migrator.measureUp();
      expect(measured).toMatchObject([
        {
          outcome: "measured",
          omitted: [
            { statement: 1, effect: "nextval()" },
            { statement: 2, effect: "setval()" },
          ],
        },
        { outcome: "measured", omitted: [] },
        { outcome: "measured", omitted: [], sequences: [] },
        { outcome: "measured", omitted: [] },
      ]);
      expect(await everythingIn(db)).toEqual(before);
      await listener.query("SELECT 1");
      expect(heard).toEqual([]);
    }));

  it.each(
    chosenCases(
      [
        ["a default of a table that is there", "INSERT INTO orders (total) VALUES (1)", "nextval()"],
        [
          "a query before an INSERT",
          "WITH one AS (SELECT 1 AS n) INSERT INTO orders (total) SELECT n FROM one",
          "nextval()",
        ],
        ["code", "DO $$ BEGIN PERFORM nextval('orders_id_seq'); END $$", "nextval()"],
        ["a new column", "ALTER TABLE orders ADD second int DEFAULT nextval('orders_id_seq')", "nextval()"],
        ["setval", "SELECT pg_catalog.setval('orders_id_seq', 100)", "setval()"],
        ["a file on the server", "COPY orders TO '/tmp/measured.txt'", "COPY … TO a file"],
        ["a program on the server", "COPY orders FROM PROGRAM 'echo 1'", "COPY … PROGRAM"],
        ["another database", "SELECT dblink_exec('dbname=other', 'DROP TABLE x')", "dblink_exec()"],
        ["statistics of the server", "SELECT pg_stat_reset()", "pg_stat_reset()"],
      ],
      3,
    ),
  )("measuring leaves a statement out that a rollback does not undo: %s [G46]", (_, sql, effect) =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { "2_b.sql": `${sql}; CREATE TABLE b ();` });
      const before = await everythingIn(db);
      const { measured } = await migrator.measureUp();
      expect(measured).toMatchObject([
        { outcome: "measured", omitted: [{ statement: 1, effect, whileLocked: false }] },
      ]);
      expect(await everythingIn(db)).toEqual(before);
    }),
  );

  it.each(
    chosenCases(
      [
        [
          "CREATE TABLE made (id serial, note text); INSERT INTO made (note) VALUES ('x'); SELECT setval('made_id_seq', 9)",
        ],
        ["CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY, n int); INSERT INTO made (n) SELECT 1"],
        ["ALTER TABLE orders ALTER id SET DEFAULT nextval('orders_id_seq')"],
        ["CREATE TABLE made (id int DEFAULT nextval('orders_id_seq'))"],
        ["CREATE FUNCTION next() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('orders_id_seq') $$"],
      ],
      3,
    ),
  )("measuring runs what only new sequences give numbers to, or what gives none: %s", (sql) =>
    withDatabase(async (db) => {
      const [measured] = await measure(db, { "2_b.sql": sql });
      expect(measured).toMatchObject({ outcome: "measured", omitted: [], sequences: [] });
    }),
  );

  it("measuring says which sequences gave numbers to a function that it cannot look into", () =>
    withDatabase(async (db) => {
      const first = `${ORDERS} CREATE FUNCTION add() RETURNS void LANGUAGE sql AS 'INSERT INTO orders (total) VALUES (1)'`;
      const migrator = await withPending(db, { "2_b.sql": "SELECT add();" }, { first });
      const { measured } = await migrator.measureUp();
      expect(measured).toMatchObject([{ outcome: "measured", sequences: ["orders_id_seq"] }]);
    }));

  it.each(chosenCases(OUTSIDE, 2))(
    "leaves out what runs outside a transaction, and knows what blocks nobody: %s",
    (sql, blocksNobody) =>
      withDatabase(async (db) => {
        const files = {
          "2_b.sql": `-- migrate: no-transaction\n${sql}`,
          "3_c.sql": "ALTER TABLE orders ADD d int;",
        };
        const measured = await measure(db, files);
        expect(measured).toMatchObject([
          { outcome: "left out", reason: expect.stringContaining("outside a transaction"), blocksNobody },
          { outcome: "measured" },
        ]);
      }),
  );

  it.each(
    chosenCases(
      [
        ["2_b.sql", "ALTER TABLE orders ADD b int; COMMIT; ALTER TABLE orders ADD c int;"],
        [
          "2_b.sql",
          "SELECT set_config('standard_conforming_strings', 'off', true); CREATE TABLE b (); SELECT 'x\\''; COMMIT; SELECT ' AS y --';",
        ],
        ["2_b.js", "export const up = async (pgm) => { await pgm.db.query('SELECT 1; COMMIT'); };"],
        [
          "2_b.js",
          "export const up = async (pgm) => { pgm.noTransaction(); await pgm.db.query('CREATE TABLE b ()'); };",
        ],
        ["2_b.sql", "CREATE TABLE b (); DO $$ BEGIN COMMIT; END $$;"],
      ],
      2,
    ),
  )("nothing of a migration that ends its transaction stays (%s: %s) [G45]", (name, text) =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { [name]: text });
      const before = await everythingIn(db);
      const outcome = await migrator.measureUp().then(
        ({ measured }) => measured?.[0]?.outcome,
        (error) => error.code,
      );
      expect(["failed", "left out", "MIGRATION"]).toContain(outcome);
      expect(await everythingIn(db)).toEqual(before);
    }),
  );

  it("measuring says when a migration would fail on the rows that are there", () =>
    withDatabase(async (db) => {
      const measured = await measure(db, {
        "2_b.sql": "CREATE TABLE b ();\nALTER TABLE orders ADD CONSTRAINT small CHECK (total < 100);",
        "3_c.sql": "CREATE TABLE c ();",
      });
      expect(measured).toMatchObject([
        { outcome: "failed", reason: expect.stringMatching(/^it fails: statement 2: .*small.* is violated/) },
        { outcome: "measured" },
      ]);
    }));

  it("measuring counts only what a later migration locks itself", () =>
    withDatabase(async (db) => {
      const measured = await measure(db, {
        "2_b.sql": "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;",
        "3_c.sql": "ALTER TABLE orders VALIDATE CONSTRAINT positive;",
        "4_d.sql": "CREATE TABLE d AS SELECT 1 AS one;",
        "5_e.sql": "CREATE TABLE e (id int); ALTER TABLE orders ALTER total TYPE bigint;",
        "6_f.sql": "UPDATE orders SET total = 1 WHERE id = 1;",
      });
      expect(locksIn(measured)).toEqual([
        ["ACCESS EXCLUSIVE orders"],
        ["SHARE UPDATE EXCLUSIVE orders"],
        [],
        ["ACCESS EXCLUSIVE orders"],
        ["ROW EXCLUSIVE orders"],
      ]);
      expect(measured.map(({ locks }) => locks.some(({ rewritten }) => rewritten))).toEqual([
        false,
        false,
        false,
        true,
        false,
      ]);
    }));

  it("measuring counts locks to the end of the run with one transaction for all", () =>
    withDatabase(async (db) => {
      const pending = { "2_b.sql": "ALTER TABLE orders ADD b int;", "3_c.sql": "SELECT pg_sleep(0.3);" };
      const [measured] = await measure(db, pending, {}, { transaction: "all" });
      const [held, took] = [measured?.locks[0]?.heldMs ?? 0, measured?.durationMs ?? 0];
      expect(held - took).toBeGreaterThan(250);
    }));

  it("nothing is measured of a run that would be refused", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE foreigner ()");
      const migrator = await openMigrator(db, writeFolder({ "1_a.sql": "CREATE TABLE a ();" }));
      const report = await migrator.measureUp();
      expect(report.refusals).toMatchObject([{ code: "UNMANAGED" }]);
      expect(report.measured).toBeUndefined();
    }));
});

describe("measuring on a database in use", () => {
  it("measuring names the lock holder in the way, after short waits [G47]", () =>
    withDatabase(async (db) => {
      const options = { lockRetries: 1, lockRetryDelayMs: 20 };
      const migrator = await withPending(db, { "2_b.sql": "ALTER TABLE orders ADD b int;" }, { options });
      const holder = await db.client();
      await holder.query("SET application_name = 'nightly report'; BEGIN; SELECT 1 FROM orders LIMIT 1");
      const state = { isOver: false };
      const measuring = failureOf(migrator.measureUp({}, { lockTimeoutMs: 200 })).finally(() => {
        state.isOver = true;
      });
      // Readers queue behind the waiting ALTER TABLE, for as long as its lock timeout.
      const reader = await db.client();
      const slowest = { ms: 0 };
      while (!state.isOver) {
        const at = performance.now();
        await reader.query("SELECT 1 FROM orders LIMIT 1");
        slowest.ms = Math.max(slowest.ms, performance.now() - at);
      }
      const error = await measuring;
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { migration: "2_b" } });
      expect(error.message).toContain('blocked by "nightly report"');
      expect(slowest.ms).toBeGreaterThan(50);
      expect(slowest.ms).toBeLessThan(5_000);
    }));

  it("measuring ends when another session waits for its locks, and leaves out the rest [G47]", () =>
    withDatabase(async (db) => {
      const pending = {
        "2_b.sql": "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20);",
        "3_c.sql": "CREATE TABLE c ();",
      };
      const migrator = await withPending(db, pending);
      const application = await db.client();
      await application.query("SET application_name = 'shop'");
      const measuring = migrator.measureUp({}, { lockTimeoutMs: 300 });
      await waitFor(
        async () =>
          (
            await db.query(
              `SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'orders'::regclass AND ${IN_THIS_DATABASE}`,
            )
          ).length > 0,
      );
      const startedAt = performance.now();
      await application.query("SELECT count(*) FROM orders");
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      const { measured } = await measuring;
      expect(measured).toMatchObject([
        {
          outcome: "stopped",
          reason: expect.stringContaining('"shop"'),
          locks: [{ table: "orders", mode: "ACCESS EXCLUSIVE" }],
        },
        { outcome: "left out", reason: "measuring was ended with 2_b" },
      ]);
      expect(measured?.[0]?.locks[0]?.heldMs).toBeGreaterThan(250);
    }));

  it("measuring ends when a statement takes too long", () =>
    withDatabase(async (db) => {
      const pending = { "2_b.sql": "ALTER TABLE orders ADD b int; SELECT pg_sleep(20);" };
      const [measured] = await measure(db, pending, { statementTimeoutMs: 300 });
      expect(measured).toMatchObject({
        outcome: "stopped",
        reason: "a statement ran for longer than 0.3 s",
        locks: [{ table: "orders", mode: "ACCESS EXCLUSIVE" }],
      });
    }));

  it("a deadline, a cancel and a lost connection end measuring and leave nothing behind [G45]", () =>
    withDatabase(async (db) => {
      const pending = { "2_b.sql": "ALTER TABLE orders ADD b int; SELECT pg_sleep(20);" };
      const stop = new AbortController();
      const setups = [
        { setup: { deadline: Date.now() + 2_500 }, code: "DEADLINE", end: async () => {} },
        { setup: { signal: stop.signal }, code: "CANCELLED", end: async () => stop.abort() },
        {
          setup: {},
          code: "CONNECTION",
          end: () =>
            db.query(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid() AND datname = current_database()",
            ),
        },
      ];
      for (const { setup, code, end } of setups) {
        const migrator = await withPending(db, pending, { setup });
        const before = await everythingIn(db);
        const failing = failureOf(migrator.measureUp());
        await waitFor(
          async () =>
            (
              await db.query(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active' AND datname = current_database()",
              )
            ).length > 0,
        );
        await end();
        expect(await failing).toMatchObject({ code });
        await waitFor(
          async () =>
            (await db.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND ${IN_THIS_DATABASE}`))
              .length === 0,
        );
        expect(await everythingIn(db)).toEqual(before);
      }
    }));

  it("measuring holds the migration lock, so that no run comes in between", () =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { "2_b.sql": "SELECT pg_sleep(1);" });
      const measuring = migrator.measureUp();
      await waitFor(
        async () =>
          (await db.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND ${IN_THIS_DATABASE}`))
            .length > 0,
      );
      const other = await openMigrator(db, writeFolder({ "1_orders.sql": ORDERS, "2_b.sql": "" }), {
        lockWaitMs: 50,
      });
      expect(await failureOf(other.up())).toMatchObject({ code: "LOCK_HELD" });
      await measuring;
    }));

  it("measuring waits a few seconds for a run under way, and its advice is none for a run", () =>
    withDatabase(async (db) => {
      const migrator = await withPending(db, { "2_b.sql": "SELECT 1;" });
      await (await db.client()).query(`SELECT pg_advisory_lock(${MIGRATION_LOCK_ID})`);
      const error = await failureOf(migrator.measureUp());
      expect(error.message).toMatch(/is still held by "test", pid \d+.* after 5 s of waiting$/);
      expect(String(error.details.hint)).toMatch(
        /^Wait for that run, and measure again, or end that session: /,
      );
      expect(migrator.events).toMatchObject([{ type: "lock-wait", holder: { application: "test" } }]);
    }));
});
