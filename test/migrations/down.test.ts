import { describe, expect, test } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addField, addObject, applyMigration, everythingInPublic, link, list, migrated } from "./metadata.ts";

describe("down", () => {
  test("down leaves nothing behind, also after use, and up works again", () =>
    withDatabase(async (db) => {
      const empty = await everythingInPublic(db);
      await applyMigration(db, "up");
      const full = await everythingInPublic(db);
      expect(full).toEqual(expect.arrayContaining(["relation r object_fields", "function set_updated_at()"]));
      await link(db, await addObject(db, "customer"), await addField(db, "email"));

      await applyMigration(db, "down");
      expect(await everythingInPublic(db)).toEqual(empty);

      await applyMigration(db, "up");
      expect(await everythingInPublic(db)).toEqual(full);
      expect(await list(db, "SELECT id FROM field_definitions")).toEqual([]);
    }));

  test(
    "down refuses, and changes nothing, when something of somebody else depends on a table",
    migrated(async (db) => {
      await db.query("CREATE VIEW fields AS SELECT short_name FROM field_definitions");
      const before = await everythingInPublic(db);
      await expect(applyMigration(db, "down")).rejects.toMatchObject({ details: { sqlstate: "2BP01" } });
      expect(await everythingInPublic(db)).toEqual(before);
    }),
  );
});
