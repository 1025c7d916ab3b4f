import { describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { IN_THIS_DATABASE, type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { alone, indexes, withOldSnapshot } from "./concurrent.ts";
import { withRole } from "./fixtures.ts";
import { waitFor } from "./locking.ts";

const IMPATIENT = { lockTimeoutMs: 100, lockRetries: 0 };

/** Modes of the locks that sessions hold on a table. */
async function locksOn(db: TestDatabase, table: string): Promise<string[]> {
  const rows = await db.query<{ mode: string }>(
    `SELECT mode FROM pg_locks WHERE relation = $1::regclass AND granted AND ${IN_THIS_DATABASE}`,
    [table],
  );
  return rows.map(({ mode }) => mode);
}

describe("statements that run beside other sessions", () => {
  it.each(
    chosenCases(
      [
        ["CREATE INDEX CONCURRENTLY a_i ON a (i)", ""],
        ["CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_i ON a (i)", ""],
        ["REINDEX INDEX CONCURRENTLY a_i", "CREATE INDEX a_i ON a (i)"],
        ["REINDEX (VERBOSE, CONCURRENTLY) TABLE a", "CREATE INDEX a_i ON a (i)"],
        ["DROP INDEX CONCURRENTLY a_i", "CREATE INDEX a_i ON a (i)"],
        [
          "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY",
          "CREATE TABLE whole (i int) PARTITION BY LIST (i); CREATE TABLE part PARTITION OF whole FOR VALUES IN (1)",
        ],
      ],
      2,
    ),
  )(
    "a concurrent statement has no lock timeout, and the run names the session that blocks it: %s",
    (statement, before) =>
      withDatabase(async (db) => {
        const dir = writeFolder({ "1_a.sql": `CREATE TABLE a (i int); ${before}` });
        await (await openMigrator(db, dir)).up();
        addFiles(dir, { "2_b.sql": alone(statement) });
        const reader = await withOldSnapshot(db);
        await reader.query(before.includes("PARTITION") ? "SELECT FROM whole" : "SELECT FROM a");
        const migrator = await openMigrator(db, dir, IMPATIENT);
        const running = migrator.up();
        await waitFor(async () => migrator.events.some(({ type }) => type === "blocked"));
        await new Promise((resolve) => setTimeout(resolve, 3 * IMPATIENT.lockTimeoutMs));
        await reader.query("ROLLBACK");
        await running;
        expect(JSON.stringify(migrator.events)).toContain("nightly report");
        expect(migrator.events.filter(({ type }) => type === "retry")).toEqual([]);
      }),
  );

  it("a run tells the phase of an index build, its share in percent, and the session that it waits for", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (i int); INSERT INTO a SELECT generate_series(1, 3000);",
      });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "2_b.sql": alone(
          "CREATE FUNCTION slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.0001); RETURN i; END $$",
          "CREATE INDEX CONCURRENTLY a_i ON a (slow(i))",
        ),
      });
      const reader = await withOldSnapshot(db);
      const migrator = await openMigrator(db, dir, { lockTimeoutMs: 60 });
      const running = migrator.up();
      const progress = () => migrator.events.flatMap((event) => (event.type === "progress" ? [event] : []));
      await waitFor(async () => progress().some(({ waitsFor }) => waitsFor !== null));
      await reader.query("ROLLBACK");
      await running;
      expect(progress()).toContainEqual({
        type: "progress",
        migration: "2_b",
        phase: "building index: scanning table",
        percent: expect.any(Number),
        waitsFor: null,
      });
      expect(progress().at(-1)).toMatchObject({
        phase: "waiting for old snapshots",
        percent: null,
        waitsFor: { application: "nightly report", state: "idle in transaction" },
      });
    }));

  it("a concurrent refresh waits without a lock timeout for another refresh of the same view", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE a (i int); CREATE MATERIALIZED VIEW v AS SELECT i FROM a; CREATE UNIQUE INDEX ON v (i);",
      });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "2_b.sql": alone("REFRESH MATERIALIZED VIEW CONCURRENTLY v") });
      const other = await db.client();
      await other.query("BEGIN; REFRESH MATERIALIZED VIEW CONCURRENTLY v");
      const migrator = await openMigrator(db, dir, IMPATIENT);
      const running = migrator.up();
      await waitFor(async () => migrator.events.some(({ type }) => type === "blocked"));
      await new Promise((resolve) => setTimeout(resolve, 3 * IMPATIENT.lockTimeoutMs));
      await other.query("COMMIT");
      expect((await running).completed).toHaveLength(1);
    }));

  it("the statements after a concurrent one have the lock timeout again", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (i int); CREATE TABLE busy (i int);" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "2_b.sql": alone("CREATE INDEX CONCURRENTLY a_i ON a (i)", "ALTER TABLE busy ADD j int"),
      });
      await (await db.client()).query("BEGIN; LOCK TABLE busy");
      const error = await failureOf((await openMigrator(db, dir, IMPATIENT)).up());
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { partial: 1 } });
    }));

  it("a concurrent statement leaves the lock timeout that its migration has set", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (i int);" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "2_b.sql": alone("SET lock_timeout = '50ms'", "CREATE INDEX CONCURRENTLY a_i ON a (i)"),
      });
      await withOldSnapshot(db);
      const error = await failureOf((await openMigrator(db, dir, IMPATIENT)).up());
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { partial: 1 } });
    }));
});

const LONG = `i${"x".repeat(80)}`;

describe("an index whose build has failed", () => {
  it.each(
    chosenCases(
      [
        ["a long name", LONG, "a", LONG.slice(0, 63)],
        ["a long name of several bytes each", `"${"ä".repeat(40)}"`, "a", "ä".repeat(31)],
        ["capitals", "A_I", "A", "a_i"],
        ["quotes", '"A ""quoted"" i"', '"a"', 'A "quoted" i'],
        ["a dot", '"a.i"', "public.a", "a.i"],
        ["escapes", 'U&"\\0061_i"', 'U&"\\0061"', "a_i"],
        [
          "escapes with a character of its own",
          "U&\"!0061_i\" UESCAPE '!'",
          "public.U&\"!0061\" UESCAPE '!'",
          "a_i",
        ],
      ],
      3,
    ),
  )("resolve --retry rebuilds an invalid index whose name has %s [G13]", (_what, name, table, made) =>
    withDatabase(async (db) => {
      for (const option of ["", "IF NOT EXISTS "]) {
        const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (i int); INSERT INTO a VALUES (1), (1);" });
        await (await openMigrator(db, dir)).up();
        addFiles(dir, {
          "2_b.sql": alone(`CREATE UNIQUE INDEX CONCURRENTLY ${option}${name} ON ONLY ${table} (i)`),
        });
        const error = await failureOf((await openMigrator(db, dir)).up());
        expect(error.details).toMatchObject({ sqlstate: "23505", partial: 0 });
        expect(await indexes(db)).toEqual({ [made]: false });
        await failureOf((await openMigrator(db, dir)).resolve("2_b", "retry"));
        expect(await indexes(db)).toEqual({ [made]: false });
        await db.query("DELETE FROM a WHERE ctid = '(0,1)'");
        await (await openMigrator(db, dir)).resolve("2_b", "retry");
        expect(await indexes(db)).toEqual({ [made]: true });
        await db.query("DROP TABLE a; DELETE FROM pgmigrations; DELETE FROM pgmigrations_history");
      }
    }),
  );

  it("a rebuilt index without a name leaves no invalid index behind", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE a (i int, j int); INSERT INTO a VALUES (1, 1), (1, 1); CREATE INDEX a_j_idx ON a (j); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_j_idx'::regclass;",
        "2_b.sql": alone("CREATE UNIQUE INDEX CONCURRENTLY ON a (i)"),
      });
      await failureOf((await openMigrator(db, dir)).up());
      await failureOf((await openMigrator(db, dir)).resolve("2_b", "retry"));
      expect(await indexes(db)).toEqual({ a_i_idx: false, a_i_idx1: false, a_j_idx: false });
      await db.query("DELETE FROM a WHERE ctid = '(0,1)'");
      await (await openMigrator(db, dir)).resolve("2_b", "retry");
      expect(await indexes(db)).toEqual({ a_i_idx2: true, a_j_idx: false });
    }));

  it("a retry rebuilds an invalid index that pgm.db has built", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (i int);",
        "2_b.js":
          "exports.up = async (pgm) => { pgm.noTransaction(); await pgm.db.query('CREATE INDEX CONCURRENTLY IF NOT EXISTS a_i ON a (i)'); };",
      });
      await (await openMigrator(db, dir)).up({ count: 1 });
      await db.query(
        "CREATE INDEX a_i ON a (i); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_i'::regclass",
      );
      await (await openMigrator(db, dir)).up();
      expect(await indexes(db)).toEqual({ a_i: true });
    }));

  it("a retry leaves an invalid index of another table alone", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE a (i int); CREATE TABLE other (i int); CREATE INDEX a_i ON other (i); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_i'::regclass;",
        "2_b.sql": alone("CREATE INDEX CONCURRENTLY a_i ON a (i)"),
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error.details.sqlstate).toBe("42P07");
      expect(await indexes(db, "other")).toEqual({ a_i: false });
    }));
});

describe("an index that another session is building", () => {
  /** Somebody with more rights builds an index, which waits for a snapshot; the migrating role owns the table. */
  const whileBuilding = (
    name: string,
    test: (
      db: TestDatabase,
      up: Promise<unknown>,
      builder: { readonly pid: number; readonly built: Promise<unknown> },
      reader: pg.Client,
    ) => Promise<void>,
  ) =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        await db.query(`GRANT ALL ON SCHEMA public TO ${role}`);
        const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (i int);" });
        await (await openMigrator(db, dir, {}, { connection })).up();
        const reader = await withOldSnapshot(db);
        const builder = await db.client();
        const pid =
          (await builder.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid ?? 0;
        const built = builder
          .query(`CREATE INDEX CONCURRENTLY ${name} ON a (i)`)
          .catch((error: unknown) => error);
        await waitFor(async () => Object.keys(await indexes(db)).length > 0);
        addFiles(dir, { "2_b.sql": alone("CREATE INDEX CONCURRENTLY IF NOT EXISTS a_i ON a (i)") });
        const migrator = await openMigrator(db, dir, IMPATIENT, { connection });
        const up = migrator.up();
        await waitFor(async () => migrator.events.some(({ type }) => type === "blocked"));
        await test(db, up, { pid, built }, reader);
      }),
    );

  const oidOf = async (db: TestDatabase) => (await db.query("SELECT 'a_i'::regclass::oid AS oid"))[0];

  it("a run waits for another session's build of the same index and keeps the index [G13]", () =>
    whileBuilding("a_i", async (db, up, { built }, reader) => {
      const before = await oidOf(db);
      await reader.query("ROLLBACK");
      await Promise.all([built, up]);
      expect(await indexes(db)).toEqual({ a_i: true });
      expect(await oidOf(db)).toEqual(before);
    }));

  it("a run keeps the index of a session that has released the table but not committed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (i int); CREATE INDEX a_i ON a (i);" });
      await (await openMigrator(db, dir)).up();
      await db.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_i'::regclass");
      const before = await oidOf(db);
      const builder = await db.client();
      await builder.query("BEGIN; UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'a_i'::regclass");
      addFiles(dir, { "2_b.sql": alone("CREATE INDEX CONCURRENTLY IF NOT EXISTS a_i ON a (i)") });
      const migrator = await openMigrator(db, dir);
      const up = migrator.up();
      await waitFor(async () => (await locksOn(db, "a")).includes("ShareUpdateExclusiveLock"));
      await new Promise((resolve) => setTimeout(resolve, 100));
      await builder.query("COMMIT");
      await up;
      expect(await indexes(db)).toEqual({ a_i: true });
      expect(await oidOf(db)).toEqual(before);
    }));

  it("a run rebuilds the index when the other session gives up", () =>
    whileBuilding("a_i", async (db, up, { pid, built }, reader) => {
      const before = await oidOf(db);
      await db.query("SELECT pg_cancel_backend($1)", [pid]);
      await built;
      await reader.query("ROLLBACK");
      await up;
      expect(await indexes(db)).toEqual({ a_i: true });
      expect(await oidOf(db)).not.toEqual(before);
    }));

  it("a run leaves another session's index alone when it has another name", () =>
    whileBuilding("a_other", async (db, up, { built }, reader) => {
      await reader.query("ROLLBACK");
      await Promise.all([built, up]);
      expect(await indexes(db)).toEqual({ a_i: true, a_other: true });
    }));
});
