import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator, userTables } from "../support/migrator.ts";

describe("BEGIN and COMMIT around a whole migration", () => {
  it.each([
    "BEGIN; CREATE TABLE a (); COMMIT;",
    "begin work;\nCREATE TABLE a ();\nend transaction;",
    "/* for psql */ START TRANSACTION; CREATE TABLE a (); COMMIT WORK",
    "BEGIN TRANSACTION; CREATE TABLE a (); END;",
  ])("a plain BEGIN and COMMIT around a whole migration are left out: %s", (sql) =>
    withDatabase(async (db) => {
      await (await openMigrator(db, writeFolder({ "1_a.sql": sql }))).up();
      expect(await userTables(db)).toEqual(["a"]);
    }),
  );

  it.each([
    ["BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT"],
    ["BEGIN TRANSACTION READ ONLY", "COMMIT"],
    ["START TRANSACTION ISOLATION LEVEL REPEATABLE READ, DEFERRABLE", "COMMIT"],
    ["BEGIN", "COMMIT AND CHAIN"],
    ["BEGIN", "END WORK AND NO CHAIN"],
    ["BEGIN", "PREPARE TRANSACTION 'x'"],
  ])("a BEGIN or COMMIT with options around a migration is refused: %s … %s", (begin, end) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": `${begin};\nCREATE TABLE a ();\n${end};` });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "MIGRATION", details: { migration: "1_a" } });
      expect(error.message).toContain(begin === "BEGIN" ? end : begin);
      expect(String(error.details.hint)).toContain("SET TRANSACTION");
      expect(await userTables(db)).toEqual([]);
      expect(await db.query("SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()")).toEqual(
        [],
      );
    }),
  );
});
