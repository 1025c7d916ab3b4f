import { describe, expect, it } from "@jest/globals";
import pg from "pg";
import type { RunEvent } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { file, withRole } from "./fixtures.ts";

/** The history as the versions before this column made it. */
const OLDER = "ALTER TABLE pgmigrations_history DROP COLUMN progress";

const hasColumn = async (db: TestDatabase): Promise<boolean> => {
  const rows = await db.query(
    "SELECT FROM pg_attribute WHERE attrelid = 'pgmigrations_history'::regclass AND attname = 'progress' AND NOT attisdropped",
  );
  return rows.length === 1;
};

const warningsIn = (events: readonly RunEvent[]): string[] =>
  events.flatMap((event) => (event.type === "warning" ? [event.message] : []));

describe("a history that an earlier version has made", () => {
  it("an older history gets the column of this version in the next run that has something to do", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      await db.query(OLDER);
      await (await openMigrator(db, dir)).up();
      expect(await hasColumn(db)).toBe(false);

      addFiles(dir, { "2_b.sql": file("b") });
      await (await openMigrator(db, dir)).up();
      expect(await hasColumn(db)).toBe(true);
    }));

  it("an older history shows a partial migration, which the next run goes on with", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "-- migrate: no-transaction\nCREATE TABLE a ();\nSELECT 1 / 0;" });
      await failureOf((await openMigrator(db, dir)).up());
      await db.query(OLDER);
      const { migrations } = await (await openMigrator(db, dir)).status();
      expect(migrations).toMatchObject([{ name: "1_a", state: "partial", statement: 1, statements: 2 }]);

      addFiles(dir, { "1_a.sql": "-- migrate: no-transaction\nCREATE TABLE a ();\nSELECT 1;" });
      await (await openMigrator(db, dir)).resolve("1_a", "retry");
      expect(await hasColumn(db)).toBe(true);
    }));

  it("an older history keeps its shape while a backup reads it, and the run goes on with a warning", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      await db.query(`CREATE TABLE t (id int PRIMARY KEY, n int); ${OLDER}`);
      addFiles(dir, { "2_b.sql": file("b") });
      const backup = new pg.Client({ ...db.connection, ssl: false });
      await backup.connect();
      await backup.query("BEGIN; LOCK TABLE pgmigrations_history IN ACCESS SHARE MODE");
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      expect(warningsIn(migrator.events)).toEqual([
        expect.stringContaining('The next run adds the column "progress"'),
      ]);
      expect(await hasColumn(db)).toBe(false);

      addFiles(dir, { "3_fill.sql": "-- migrate: backfill\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch" });
      const { message, details } = await failureOf((await openMigrator(db, dir)).up());
      expect(message).toContain("no place for its checkpoint");
      expect(details.hint).toContain("run again when that has ended");
      await backup.end();
    }));

  it("an older history keeps its shape for a user who may not alter it, who learns what its owner can run", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        const dir = writeFolder({ "1_a.sql": file("a") });
        await (await openMigrator(db, dir)).up();
        await db.query(
          `${OLDER}; GRANT ALL ON SCHEMA public TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};
           GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}`,
        );
        addFiles(dir, { "2_b.sql": file("b") });
        const migrator = await openMigrator(db, dir, {}, { connection });
        await migrator.up();
        expect(warningsIn(migrator.events)).toContainEqual(
          expect.stringContaining(
            'Let its owner run: ALTER TABLE "public"."pgmigrations_history" ADD COLUMN',
          ),
        );
        addFiles(dir, {
          "3_fill.sql": "-- migrate: backfill\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch",
        });
        const refused = await failureOf((await openMigrator(db, dir, {}, { connection })).up());
        expect(refused).toMatchObject({
          code: "SQL",
          message: expect.stringContaining("no place for its checkpoint"),
        });
      }),
    ));
});
