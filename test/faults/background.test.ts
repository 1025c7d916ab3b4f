import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { environmentOf, runCommand, startCommand, writeProject } from "../cli/command.ts";
import { alone, indexes, withOldSnapshot } from "../engine/concurrent.ts";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { BUILD, builders, ended, history, inTime, partialOf, SHORT, TABLE, withStage } from "./background.ts";
import { until } from "./until.ts";

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
      const planned = async () => (await (await openMigrator(db, dir)).planUp()).steps;
      expect(await planned()).toMatchObject([
        { migration: "2_b", resumes: { statement: 1, background: { pid: builder?.pid, running: true } } },
      ]);
      await reader.query("ROLLBACK");
      await ended(stage);
      expect(await partialOf(stage)).toMatchObject({ background: { running: false, progress: null } });
      expect(await planned()).toMatchObject([{ resumes: { background: { running: false } } }]);
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

  it("a build in the background keeps the lock of its table: plain node-pg-migrate cannot start, a run of another table can [G70]", () =>
    withStage(BUILD, async (stage) => {
      const { db, dir } = stage;
      await (await openMigrator(db, dir, {}, inTime(SHORT))).up();
      const own = await failureOf((await openMigrator(db, dir, { lockWaitMs: 0 })).up());
      expect(own.message).toMatch(
        /lock of public\.pgmigrations is still held by .*waiting for old snapshots/,
      );
      expect(await db.query("SELECT pg_try_advisory_lock(7241865325823964) AS free")).toEqual([
        { free: false },
      ]);
      const other = { schema: ["other"], createSchema: true, lockWaitMs: 0 };
      const second = await openMigrator(db, writeFolder({ "1_a.sql": "CREATE TABLE a ();" }), other);
      expect((await second.up()).completed).toHaveLength(1);
      expect(await partialOf(stage)).toMatchObject({ background: { running: true } });
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

  it("an index whose command was killed with -9 is finished by the server and not built again [G40]", () =>
    withDatabase(async (db) => {
      const project = writeProject({ ...TABLE, ...BUILD });
      const dir = join(project, "migrations");
      const reader = await withOldSnapshot(db);
      const command = startCommand(dirname(dir), ["up"], environmentOf(db.connection));
      const waiting =
        "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase = 'waiting for old snapshots'";
      await until(async () => (await db.query(waiting)).length > 0, "the build to wait");
      command.send("SIGKILL");
      await command.ended;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(await partialOf({ db, dir, reader })).toMatchObject({ background: { running: true } });
      const held = await failureOf((await openMigrator(db, dir, { lockWaitMs: 0 })).up());
      expect(held).toMatchObject({ code: "LOCK_HELD" });
      expect(String(held.details.hint)).toMatch(/SELECT pg_cancel_backend\(\d+\);$/);
      const { stdout } = await runCommand(project, ["status"], environmentOf(db.connection));
      expect(stdout).toContain(
        "partial  2_b  0 of 1 statement done; building in the background (waiting for old snapshots)",
      );
      expect(stdout).toMatch(/The server works on 2_b: .*\n {2}It waits for "nightly report", pid \d+/);
      const plan = await runCommand(project, ["plan"], environmentOf(db.connection));
      expect(plan.stdout).toMatch(
        /^-- the server works on statement 1 in the background \(pid \d+\): waiting for old snapshots.*\n-- a run waits for that/m,
      );
      const before = await db.query("SELECT 'a_i'::regclass::oid");
      await reader.query("ROLLBACK");
      await Promise.all([1, 2].map(async () => (await openMigrator(db, dir)).up()));
      expect(await db.query("SELECT 'a_i'::regclass::oid")).toEqual(before);
      expect(await indexes(db)).toEqual({ a_i: true, a_old: true });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));
});
