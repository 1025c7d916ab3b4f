import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { type Fate, startProxy } from "./proxy.ts";

const TWO = {
  "1_x.sql":
    "-- migrate: no-transaction\n-- Up Migration\nCREATE TABLE a ();\nCREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;\nDROP TABLE a;",
};

/** Runs `work` through a proxy that does something to the first request of the run whose SQL matches. */
async function withFault<T>(
  db: TestDatabase,
  at: RegExp,
  fate: Fate,
  work: (broken: Pick<TestDatabase, "connection">) => Promise<T>,
): Promise<T> {
  let met = false;
  const proxy = await startProxy(db.connection, ({ link, text }) => {
    if (met || link !== 0 || !at.test(text)) return "pass";
    met = true;
    return fate;
  });
  try {
    return await work(proxy);
  } finally {
    await proxy.close();
  }
}

describe("a migration outside a transaction whose connection is lost", () => {
  it.each([
    ["up", /BEGIN.*UPDATE .*'finished'.*COMMIT/s, "applied"],
    ["down", /DELETE FROM.*'finished'/s, "pending"],
  ] as const)(
    "a connection lost while the end is recorded (%s) leaves the migration in doubt, not partly applied [G29]",
    (direction, at, state) =>
      withDatabase(async (db) => {
        const dir = writeFolder(TWO);
        if (direction === "down") await (await openMigrator(db, dir)).up();
        const error = await withFault(db, at, "lose-answer", async (broken) =>
          failureOf((await openMigrator(broken, dir))[direction]()),
        );
        expect(error).toMatchObject({ code: "CONNECTION", details: { migration: "1_x", inDoubt: ["1_x"] } });
        expect(error.details.partial).toBeUndefined();
        expect((await (await openMigrator(db, dir)).status()).migrations).toMatchObject([{ state }]);
      }),
  );

  it("a connection lost while the migration begins leaves it pending and in doubt", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const error = await withFault(db, /BEGIN.*INSERT INTO .*'started'/s, "cut", async (broken) =>
        failureOf((await openMigrator(broken, dir)).up()),
      );
      expect(error.details).toMatchObject({ inDoubt: ["1_x"] });
      expect((await (await openMigrator(db, dir)).status()).migrations).toMatchObject([{ state: "pending" }]);
    }));

  it("a connection lost after the first statement leaves the migration partly applied, however often its retry is refused", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await withFault(db, /^CREATE TABLE a/, "lose-answer", async (broken) =>
        failureOf((await openMigrator(broken, dir)).up()),
      );
      for (let n = 0; n < 2; n++) {
        const error = await failureOf((await openMigrator(db, dir)).resolve("1_x", "retry"));
        expect(error).toMatchObject({
          code: "SQL",
          details: { sqlstate: "42P07", migration: "1_x", partial: 0, statements: 2, remaining: ["1_x"] },
        });
        expect(String(error.details.hint)).toContain("`resolve 1_x --retry` goes on with statement 1");
        const { migrations } = await (await openMigrator(db, dir)).status();
        expect(migrations).toMatchObject([{ state: "partial", statement: 0 }]);
      }
      await db.query("DROP TABLE a");
      await (await openMigrator(db, dir)).resolve("1_x", "retry");
      expect(await userTables(db)).toEqual(["a", "b"]);
    }));

  it("a connection lost while a retry records its end leaves the migration applied, with the decision, and in doubt", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await db.query("CREATE TABLE b ()");
      await (await openMigrator(db, dir)).baseline();
      await failureOf((await openMigrator(db, dir)).up());
      await db.query("DROP TABLE b");
      const error = await withFault(
        db,
        /BEGIN.*UPDATE .*'finished'.*COMMIT/s,
        "lose-answer",
        async (broken) =>
          failureOf((await openMigrator(broken, dir)).resolve("1_x", "retry", "b was in the way")),
      );
      expect(error.details).toMatchObject({ migration: "1_x", inDoubt: ["1_x"], remaining: ["1_x"] });
      expect(await appliedNames(db)).toEqual(["1_x"]);
      const rows = await db.query("SELECT note FROM pgmigrations_history WHERE action = 'resolve'");
      expect(rows).toEqual([{ note: "retry: b was in the way" }]);
    }));
});
