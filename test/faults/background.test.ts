import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { environmentOf, startCommand, writeProject } from "../cli/command.ts";
import { alone, indexes, withOldSnapshot } from "../engine/concurrent.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { until } from "./until.ts";

const TABLE = {
  "1_a.sql":
    "CREATE TABLE a (i int); INSERT INTO a SELECT generate_series(1, 100); CREATE INDEX a_old ON a (i);",
};
const BUILD = { "2_b.sql": alone("CREATE INDEX CONCURRENTLY a_i ON a (i)") };

interface Stage {
  readonly db: TestDatabase;
  readonly dir: string;
  /** Keeps the statement from ending until it is rolled back. */
  readonly reader: pg.Client;
}

/** A migrated table, a pending migration, and a snapshot that its concurrent statement waits for. */
const withStage = (
  files: Readonly<Record<string, string>>,
  test: (stage: Stage) => Promise<void>,
  first = TABLE,
) =>
  withDatabase(async (db) => {
    const dir = writeFolder(first);
    await (await openMigrator(db, dir)).up();
    addFiles(dir, files);
    const reader = await withOldSnapshot(db);
    try {
      await test({ db, dir, reader });
    } finally {
      await reader.query("ROLLBACK");
      await until(async () => (await builders(db)).length === 0, "the builder to end");
    }
  });

const inTime = (ms: number) => ({ deadline: Date.now() + ms });
const SHORT = 1_500;

/** Sessions of the engine in this database. */
async function builders(db: TestDatabase): Promise<{ pid: number; query: string }[]> {
  return db.query(
    "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'cdk-pg-migrate%'",
  );
}

async function history(db: TestDatabase, migration = "2_b"): Promise<unknown[]> {
  return db.query(
    "SELECT state, statement, progress FROM pgmigrations_history WHERE migration = $1 AND action = 'up' ORDER BY id",
    [migration],
  );
}

const statusOf = async ({ db, dir }: Stage) => (await openMigrator(db, dir)).status();

const partialOf = async (stage: Stage) =>
  (await statusOf(stage)).migrations.find(({ state }) => state === "partial");

const ended = ({ db }: Stage) => until(async () => (await builders(db)).length === 0, "the builder to end");

describe("a concurrent statement whose run has ended before it", () => {
  it("a run whose deadline passes in the last statement leaves an index build to the server, and succeeds [G40]", () =>
    withStage(BUILD, async (stage) => {
      const { db, dir, reader } = stage;
      const migrator = await openMigrator(db, dir, {}, inTime(SHORT));
      const report = await migrator.up();
      const [builder] = await builders(db);
      expect(report).toMatchObject({
        completed: [],
        counts: { applied: 1, partial: 1, pending: 0 },
        background: { migration: "2_b", statement: 1, pid: builder?.pid },
      });
      expect(migrator.events.at(-1)).toMatchObject({
        type: "left-running",
        migration: "2_b",
        pid: builder?.pid,
      });
      expect(await partialOf(stage)).toMatchObject({
        statement: 0,
        statements: 1,
        background: {
          pid: builder?.pid,
          running: true,
          progress: { phase: "waiting for old snapshots", waitsFor: { application: "nightly report" } },
        },
      });
      await reader.query("ROLLBACK");
      await ended(stage);
      expect(await partialOf(stage)).toMatchObject({ background: { running: false, progress: null } });
      const before = await db.query("SELECT 'a_i'::regclass::oid");
      const next = await openMigrator(db, dir);
      expect((await next.up()).completed).toMatchObject([{ migration: "2_b" }]);
      expect(next.events.map(({ type }) => type)).toEqual(["started", "settled", "finished"]);
      expect(await db.query("SELECT 'a_i'::regclass::oid")).toEqual(before);
      expect(await indexes(db)).toEqual({ a_i: true, a_old: true });
      expect(await history(db)).toMatchObject([
        { state: "started", progress: { session: { pid: builder?.pid } } },
        { state: "finished", statement: 1, progress: null },
      ]);
    }));

  it("a run waits for a statement that an earlier one has left to the server, and goes on with the statements after it [G40]", () =>
    withStage(
      {
        "2_b.sql": alone(
          "SET search_path = other",
          "CREATE INDEX CONCURRENTLY ON a (i)",
          "INSERT INTO a VALUES (2), (3)",
        ),
        "3_c.sql": "CREATE TABLE c ();",
      },
      async (stage) => {
        const { db, dir, reader } = stage;
        const error = await failureOf((await openMigrator(db, dir, {}, inTime(SHORT))).up());
        const [builder] = await builders(db);
        expect(error).toMatchObject({
          code: "DEADLINE",
          details: {
            partial: 1,
            statements: 3,
            remaining: ["2_b", "3_c"],
            background: { pid: builder?.pid },
          },
        });
        const next = await openMigrator(db, dir);
        const running = next.up();
        await until(() => next.events.some(({ type }) => type === "lock-wait"), "the next run to wait");
        await reader.query("ROLLBACK");
        expect((await running).completed.map(({ migration }) => migration)).toEqual(["2_b", "3_c"]);
        expect(await db.query("SELECT count(*)::int AS n FROM other.a")).toEqual([{ n: 3 }]);
        expect(await indexes(db, "other.a")).toEqual({ a_i_idx: true });
      },
      {
        "1_a.sql":
          "CREATE SCHEMA other; CREATE TABLE a (i int); CREATE TABLE other.a (i int); INSERT INTO other.a VALUES (1);",
      },
    ));

  it.each(["terminate", "cancel"])(
    "an index whose build was left to the server is built once more after pg_%s_backend [G40]",
    (how) =>
      withStage(BUILD, async (stage) => {
        const { db, dir, reader } = stage;
        await (await openMigrator(db, dir, {}, inTime(SHORT))).up();
        const [builder] = await builders(db);
        await db.query(`SELECT pg_${how}_backend($1)`, [builder?.pid]);
        await ended(stage);
        expect(await indexes(db)).toEqual({ a_i: false, a_old: true });
        await reader.query("ROLLBACK");
        await (await openMigrator(db, dir)).up();
        expect(await indexes(db)).toEqual({ a_i: true, a_old: true });
        expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      }),
  );

  it.each([
    ["DROP INDEX CONCURRENTLY a_old", "SELECT FROM a", { a_old: false }],
    ["CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_i ON a (i)", "SELECT 1", { a_old: true, a_i: false }],
    ["CREATE INDEX CONCURRENTLY ON a (i)", "SELECT 1", { a_old: true, a_i_idx: false }],
  ])("after its session was ended, a statement is repeated: %s [G40]", (statement, reads, left) =>
    withStage({ "2_b.sql": alone(statement) }, async (stage) => {
      const { db, dir, reader } = stage;
      await reader.query(reads);
      await (await openMigrator(db, dir, {}, inTime(SHORT))).up();
      const [builder] = await builders(db);
      await db.query("SELECT pg_terminate_backend($1)", [builder?.pid]);
      await ended(stage);
      expect(await indexes(db)).toEqual(left);
      await reader.query("ROLLBACK");
      await (await openMigrator(db, dir)).up();
      const made = Object.keys(left).filter((name) => name !== "a_old");
      const expected = made.length === 0 ? {} : { a_old: true };
      expect(await indexes(db)).toMatchObject(expected);
      expect(Object.values(await indexes(db))).not.toContain(false);
      expect(Object.keys(await indexes(db))).toHaveLength(made.length === 0 ? 0 : 2);
    }),
  );

  it.each(["done", "half", "undone"])(
    "a partition that was being detached in the background is detached in the end: %s [G40]",
    (how) =>
      withStage(
        {
          "2_b.sql": alone(
            "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY",
            "ALTER TABLE part ADD j int",
          ),
        },
        async (stage) => {
          const { db, dir, reader } = stage;
          await reader.query("SELECT FROM whole");
          await failureOf((await openMigrator(db, dir, {}, inTime(SHORT))).up());
          const [builder] = await builders(db);
          if (how !== "done") await db.query("SELECT pg_terminate_backend($1)", [builder?.pid]);
          await reader.query("ROLLBACK");
          await ended(stage);
          if (how === "undone")
            await db.query(
              "ALTER TABLE whole DETACH PARTITION part FINALIZE; ALTER TABLE whole ATTACH PARTITION part FOR VALUES IN (1)",
            );
          await (await openMigrator(db, dir)).up();
          expect(await db.query("SELECT FROM pg_inherits")).toEqual([]);
          expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
        },
        {
          "1_a.sql":
            "CREATE TABLE whole (i int) PARTITION BY LIST (i); CREATE TABLE part PARTITION OF whole FOR VALUES IN (1);",
        },
      ),
  );

  it("with onDeadline fail, an index build is cancelled at the deadline, and a person resolves it [G40]", () =>
    withStage(BUILD, async (stage) => {
      const { db, dir, reader } = stage;
      const error = await failureOf(
        (await openMigrator(db, dir, { onDeadline: "fail" }, inTime(SHORT))).up(),
      );
      expect(error).toMatchObject({ code: "DEADLINE", details: { partial: 0 } });
      expect(error.details.background).toBeUndefined();
      expect(await builders(db)).toEqual([]);
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "PARTIAL" });
      await reader.query("ROLLBACK");
      await (await openMigrator(db, dir)).resolve("2_b", "retry");
      expect(await indexes(db)).toEqual({ a_i: true, a_old: true });
    }));

  it("a statement that leaves no trace in the catalog is cancelled at the deadline", () =>
    withStage({ "2_b.sql": alone("REINDEX INDEX CONCURRENTLY a_old") }, async ({ db, dir }) => {
      const error = await failureOf((await openMigrator(db, dir, {}, inTime(SHORT))).up());
      expect(error).toMatchObject({ code: "DEADLINE", details: { partial: 0 } });
      expect(await builders(db)).toEqual([]);
    }));

  it("down is refused while a statement is left to the server, and says that up goes on with it", () =>
    withStage(BUILD, async (stage) => {
      const { db, dir, reader } = stage;
      await (await openMigrator(db, dir, {}, inTime(SHORT))).up();
      expect(await failureOf((await openMigrator(db, dir, { lockWaitMs: 100 })).down())).toMatchObject({
        code: "LOCK_HELD",
      });
      await reader.query("ROLLBACK");
      await ended(stage);
      expect(await failureOf((await openMigrator(db, dir)).down())).toMatchObject({ code: "PARTIAL" });
    }));

  it("a file that has changed is not taken for the statement that was left to the server", () =>
    withStage(BUILD, async (stage) => {
      const { db, dir, reader } = stage;
      await (await openMigrator(db, dir, {}, inTime(SHORT))).up();
      await reader.query("ROLLBACK");
      await ended(stage);
      addFiles(dir, { "2_b.sql": alone("CREATE INDEX CONCURRENTLY a_i ON a (i DESC)") });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "CHANGED" });
    }));

  it("an index whose command was killed with -9 is finished by the server and not built again [G40]", () =>
    withDatabase(async (db) => {
      const project = writeProject({ ...TABLE, ...BUILD });
      const dir = join(project, "migrations");
      const reader = await withOldSnapshot(db);
      const command = startCommand(dirname(dir), ["up"], environmentOf(db.connection));
      const waiting = "SELECT FROM pg_stat_progress_create_index WHERE phase = 'waiting for old snapshots'";
      await until(async () => (await db.query(waiting)).length > 0, "the build to wait");
      command.send("SIGKILL");
      await command.ended;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(await partialOf({ db, dir, reader })).toMatchObject({ background: { running: true } });
      const held = await failureOf((await openMigrator(db, dir, { lockWaitMs: 0 })).up());
      expect(held).toMatchObject({ code: "LOCK_HELD" });
      const before = await db.query("SELECT 'a_i'::regclass::oid");
      await reader.query("ROLLBACK");
      await Promise.all([1, 2].map(async () => (await openMigrator(db, dir)).up()));
      expect(await db.query("SELECT 'a_i'::regclass::oid")).toEqual(before);
      expect(await indexes(db)).toEqual({ a_i: true, a_old: true });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));
});
