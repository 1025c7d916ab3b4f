import { describe, expect, it } from "@jest/globals";
import { alone, indexes } from "../engine/concurrent.ts";
import { addFiles } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { BUILD, builders, ended, inTime, SHORT, withStage } from "./background.ts";

describe("a concurrent statement that is left to the server", () => {
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
});
