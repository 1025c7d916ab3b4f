import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";

describe("many migrations", () => {
  it("up applies two thousand pending migrations to an empty database", () =>
    withDatabase(async (db) => {
      const files = Object.fromEntries(
        Array.from({ length: 2000 }, (_, n) => [
          `${n + 1}_m.sql`,
          `CREATE TABLE t${n + 1} (a int);\n-- Down Migration\nDROP TABLE t${n + 1};`,
        ]),
      );
      const dir = writeFolder(files);
      const { completed } = await (await openMigrator(db, dir)).up();
      expect(completed).toHaveLength(2000);
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({
        applied: 2000,
        pending: 0,
      });
      const { completed: undone } = await (await openMigrator(db, dir)).down({ count: 3 });
      expect(undone.map((one) => one.migration)).toEqual(["2000_m", "1999_m", "1998_m"]);
    }));
});
