import { describe, expect, test } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator, userTables } from "../support/migrator.ts";

const WAYS: Record<string, Record<string, string>> = {
  "an export beside an up that could be turned round": {
    "1_a.ts":
      'export const irreversible = "the letters are sent";\nexport const up = (pgm: any) => pgm.createTable("a", { id: "id" });',
  },
  "an export beside a down": {
    "1_a.ts":
      'export const irreversible = "the letters are sent";\nexport const up = (pgm: any) => pgm.createTable("a", { id: "id" });\nexport const down = (pgm: any) => pgm.dropTable("a");',
  },
  "a comment in a SQL file": { "1_a.sql": "-- irreversible: the letters are sent\nCREATE TABLE a ();" },
  "a comment in a file of a pair": {
    "1_a.up.sql": "CREATE TABLE a ();\n  -- Irreversible:  the letters are sent \r\n",
    "1_a.down.sql": "DROP TABLE a;",
  },
};

describe("a migration that says that it cannot be undone", () => {
  test.each(Object.entries(WAYS))(
    "up applies an irreversible migration, and down, redo and plan refuse to undo it with its reason: %s",
    (_, files) =>
      withDatabase(async (db) => {
        const dir = writeFolder(files);
        await (await openMigrator(db, dir)).up();
        const migrator = await openMigrator(db, dir);
        for (const work of [migrator.planDown(), migrator.down(), migrator.redo()]) {
          expect(await failureOf(work)).toMatchObject({
            code: "IRREVERSIBLE",
            message: "migration 1_a cannot be undone: the letters are sent",
          });
        }
        expect(await userTables(db)).toEqual(["a"]);
        expect((await migrator.status()).counts).toMatchObject({ applied: 1, changed: 0 });
      }),
  );

  test("an irreversible migration without a reason gets a hint how to give one", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (t text DEFAULT '\n-- irreversible: no comment\n');",
      });
      await (await openMigrator(db, dir)).up();
      const error = await failureOf((await openMigrator(db, dir)).down());
      expect(error.message).toBe("migration 1_a cannot be undone: it has no way down");
      expect(String(error.details.hint)).toContain("-- irreversible: the reason");
    }));
});
