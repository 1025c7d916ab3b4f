import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

const file = (up: string, down: string): string => `-- Up Migration\n${up};\n-- Down Migration\n${down};\n`;
const TWO = {
  "1_a.sql": file("CREATE TABLE a ()", "DROP TABLE a"),
  "2_b.sql": file("CREATE TABLE b ()", "DROP TABLE b"),
};

describe("a run that undoes and fails", () => {
  it("the error names what the run has undone, and lists nothing as applied", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...TWO, "1_a.sql": file("CREATE TABLE a ()", "DROP TABLE a; SELECT 1/0") });
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      const { details } = await failureOf(migrator.down({ count: 2 }));
      expect(details).toMatchObject({ applied: [], undone: ["2_b"], remaining: ["1_a"] });
    }));

  it("the error of a redo that cannot apply again names what is no longer applied", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      await db.query(
        "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'CREATE TABLE' THEN RAISE 'stop'; END IF; END $$; CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION stop()",
      );
      const { details } = await failureOf((await openMigrator(db, dir)).redo({ count: 2 }));
      expect(details).toMatchObject({
        migration: "1_a",
        applied: [],
        undone: ["2_b", "1_a"],
        remaining: ["1_a", "2_b"],
      });
    }));

  it("the error of a redo that cannot undo lists what is still applied as remaining", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...TWO, "2_b.sql": file("CREATE TABLE b ()", "SELECT 1/0") });
      await (await openMigrator(db, dir)).up();
      const { details } = await failureOf((await openMigrator(db, dir)).redo({ count: 2 }));
      expect(details).toMatchObject({ migration: "2_b", applied: [], undone: [], remaining: ["2_b", "1_a"] });
    }));

  it("down to a migration that is not applied is refused", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "3_c.sql": "SELECT 1" });
      const error = await failureOf((await openMigrator(db, dir)).down({ to: "3_c" }));
      expect(error).toMatchObject({
        code: "USAGE",
        message: "migration 3_c is not applied: nothing can be undone down to it",
      });
    }));
});

describe("events of a run", () => {
  it("with one transaction for all, a migration is finished after COMMIT", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...TWO, "3_c.sql": "SELECT 1/0" });
      const migrator = await openMigrator(db, dir, { transaction: "all" });
      await failureOf(migrator.up());
      const told = () =>
        migrator.events.map((event) =>
          "migration" in event ? `${event.type} ${event.migration}` : event.type,
        );
      expect(told().filter((text) => /^(started|finished|failed)/.test(text))).toEqual([
        "started 1_a",
        "started 2_b",
        "started 3_c",
        "failed 3_c",
      ]);
      migrator.events.length = 0;
      addFiles(dir, { "3_c.sql": "SELECT 1" });
      const second = await openMigrator(db, dir, { transaction: "all" });
      await second.up();
      expect(second.events.flatMap((event) => (event.type === "finished" ? [event.migration] : []))).toEqual([
        "1_a",
        "2_b",
        "3_c",
      ]);
    }));

  it("with --fake, a migration is reported as recorded", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(TWO));
      await migrator.up({ count: 1 }, "fake");
      expect(migrator.events.at(-1)).toMatchObject({ type: "finished", migration: "1_a", recorded: true });
    }));
});
