import { describe, expect, it } from "@jest/globals";
import { startProxy } from "../faults/proxy.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

const SECRET = "s3same-0pen";
/** Its way down holds a secret in a spelling that no mask knows. */
const WITH_SECRET = `-- migrate: no-transaction
SELECT 1;
-- Down Migration
-- migrate: no-transaction
DO $x$ BEGIN EXECUTE format('ALTER ROLE nobody PASSWORD %L', '${SECRET}'); END $x$;`;

/** All that anybody might print of an error. */
function everythingOf(error: Error): string {
  const shown: string[] = [];
  for (let at: unknown = error; at instanceof Object; at = Reflect.get(at, "cause")) {
    for (const key of Reflect.ownKeys(at)) {
      const value: unknown = Reflect.get(at, key);
      if (key !== "cause") shown.push(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
    }
  }
  return shown.join("\n").replace(/"cause":\{.*/g, "");
}

describe("an error of the engine's own SQL does not show what it stores", () => {
  it("a connection that is lost while a migration is recorded as started shows no stored value", () =>
    withDatabase(async (db) => {
      const proxy = await startProxy(db.connection, ({ text }) =>
        text.includes("INSERT INTO") && text.includes("pgmigrations_history") ? "cut" : "pass",
      );
      try {
        const dir = writeFolder({ "1_a.sql": WITH_SECRET });
        const migrator = await openMigrator(db, dir, {}, { connection: proxy.connection });
        const error = await failureOf(migrator.up());
        expect(error.code).toBe("CONNECTION");
        expect(error.details.statement).toBeUndefined();
        expect(everythingOf(error)).not.toContain(SECRET);
      } finally {
        await proxy.close();
      }
    }));

  const refusing = async (db: TestDatabase, work: () => Promise<unknown>) => {
    await db.query("ALTER TABLE pgmigrations_history ADD CHECK (actor <> 'tester') NOT VALID");
    return failureOf(work());
  };

  it("a refused row of a migration outside a transaction is not quoted in the error", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "0_first.sql": "SELECT 1" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": WITH_SECRET });
      const migrator = await openMigrator(db, dir);
      const error = await refusing(db, () => migrator.up());
      expect(error).toMatchObject({ code: "SQL", details: { sqlstate: "23514" } });
      expect(error.details.statement).toBeUndefined();
      expect(everythingOf(error)).not.toContain(SECRET);
    }));

  it("a refused row of a migration in a transaction is not quoted in the error", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "0_first.sql": "SELECT 1" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": WITH_SECRET.replaceAll("-- migrate: no-transaction\n", "") });
      const migrator = await openMigrator(db, dir);
      const error = await refusing(db, () => migrator.up());
      expect(error.details.sqlstate).toBe("23514");
      expect(error.details.statement).toBeUndefined();
      expect(everythingOf(error)).not.toContain(SECRET);
    }));

  it("a refused row of a repair is not quoted in the error", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": WITH_SECRET.replace("SELECT 1", "SELECT 2") });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": WITH_SECRET });
      const migrator = await openMigrator(db, dir);
      const error = await refusing(db, () => migrator.repair());
      expect(error.details.statement).toBeUndefined();
      expect(everythingOf(error)).not.toContain(SECRET);
    }));
});
