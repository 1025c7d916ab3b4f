import { describe, expect, test } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { squashMigrations } from "../../lib/review/squash/index.ts";
import { scratchOn } from "../../lib/review/verify/index.ts";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { lintFiles } from "./lint-folder.ts";
import { statuses, verify } from "./verify-run.ts";

const FILES = {
  "1_t.sql": "CREATE TABLE t (id bigint PRIMARY KEY, a int);\n-- Down Migration\nDROP TABLE t;",
  "2_fill.sql": "-- migrate: backfill\n-- key: id\nUPDATE t SET a = 1 WHERE a IS NULL AND :batch;",
  "3_fill.ts":
    'export const backfill = { key: "id", statement: "UPDATE t SET a = 2 WHERE a = 1 AND :batch" };\nexport const down = (pgm: any) => pgm.sql("UPDATE t SET a = 1 WHERE a = 2");\n',
};

describe("a backfill in review", () => {
  test("lint finds nothing in a backfill that is right, with a way down or without one", async () => {
    expect(
      (await lintFiles({ "2_fill.sql": FILES["2_fill.sql"], "3_fill.ts": FILES["3_fill.ts"] })).findings,
    ).toEqual([]);
  });

  test("lint names the line of what it finds in a backfill", async () => {
    const text =
      "-- migrate: backfill\n-- table: t\nINSERT INTO u\nSELECT (x::char(3)) FROM t WHERE :batch AND t.a = ;";
    const { findings } = await lintFiles({ "2_copy.sql": text });
    expect(findings).toMatchObject([{ rule: "syntax-error", file: "2_copy.sql", line: 4 }]);
  });

  test("verify runs backfills, whose key is checked on the empty tables of its scratch database", () =>
    withDatabase(async (db) => {
      expect(statuses(await verify(db, writeFolder(FILES)))).toEqual([
        "1_t reversible",
        "2_fill empty-down",
        "3_fill reversible",
      ]);
      const keyless = { ...FILES, "1_t.sql": FILES["1_t.sql"].replace(" PRIMARY KEY", " NOT NULL") };
      const { migrations } = await verify(db, writeFolder(keyless));
      expect(migrations[1]).toMatchObject({
        status: "failed",
        error: { code: "MIGRATION", message: expect.stringContaining("without a unique index") },
      });
    }));

  test("verify runs no backfill that acts on the server", () =>
    withDatabase(async (db) => {
      const text =
        "-- migrate: backfill\n-- table: t\nSELECT pg_terminate_backend(a) FROM t WHERE a > 0 AND :batch;";
      const { migrations } = await verify(
        db,
        writeFolder({ "1_t.sql": FILES["1_t.sql"], "2_end.sql": text }),
      );
      expect(migrations[1]).toMatchObject({ name: "2_end", status: "unchecked" });
    }));

  test("squash takes backfills into a baseline", () =>
    withDatabase(async (db) => {
      const source = await openFolder(
        writeFolder({ ...FILES, "4_rows.sql": "INSERT INTO t VALUES (1, 5);" }),
      );
      const { replaced, tables } = await squashMigrations({
        source,
        to: "4_rows",
        scratch: scratchOn(db.connection),
      });
      expect(replaced).toHaveLength(4);
      expect(tables).toEqual([{ table: "public.t", rows: 1 }]);
    }));
});
