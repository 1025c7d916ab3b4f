import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { compareDump, readDump } from "../../lib/cli/commands/dump.ts";
import { diffCatalogs, readCatalog } from "../../lib/review/catalog/index.ts";
import { dumpSchema } from "../../lib/review/dump/index.ts";
import { applyMigration } from "../migrations/metadata.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { CORPUS, RARE } from "./catalog-corpus.ts";

const OWN = { exclude: {} };
const EXPECTED = fileURLToPath(new URL("dump-metadata.sql", import.meta.url));

describe("the dump", () => {
  test("a dump of all kinds of objects gives the same catalogue and the same dump in a new database", () =>
    withDatabase(async (db) => {
      for (const { name, up } of CORPUS) {
        await db.query(up);
        // Both with all partitions attached, and at the end.
        if (name === "partitions") await expectRoundTrip(db);
      }
      await expectRoundTrip(db);
    }));

  test("a dump lists the objects that it cannot contain, and their dependents", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TYPE mood AS ENUM ('sad')");
      for (const { up } of RARE) await db.query(up);
      const { sql, omitted } = await dumpSchema(await db.client(), OWN);
      expect(omitted).toEqual(
        expect.arrayContaining(["server far", "foreign table public.distant", "view public.from_far"]),
      );
      for (const what of omitted) expect(sql).toContain(`--   ${what}\n`);
      expect(sql).not.toContain("secret-1");
      await withDatabase(async (other) => {
        await other.query(sql);
        expect((await dumpSchema(await other.client(), OWN)).sql).toBe(
          sql.split("\n\n-- Not in")[0]?.concat("\n"),
        );
      });
    }));

  test("the dump of this project's schema is the same on every version of Postgres", () =>
    withDatabase(async (db) => {
      await applyMigration(db, "up");
      const { sql, omitted } = await dumpSchema(await db.client(), OWN);
      expect(omitted).toEqual([]);
      expect(compareDump(EXPECTED, readFileSync(EXPECTED, "utf8"), sql)).toBeUndefined();
      expect(sql).toBe(readFileSync(EXPECTED, "utf8"));
      await expectRoundTrip(db);
    }));

  test("a dump does not depend on the order in which objects were created", () =>
    withDatabase((a) =>
      withDatabase(async (b) => {
        const [x, y, view] = [
          "CREATE TABLE x (id int)",
          "CREATE TABLE y (id int)",
          "CREATE VIEW a AS SELECT * FROM x, LATERAL (SELECT 1) AS one",
        ];
        const index = "CREATE INDEX y_id ON y (id)";
        for (const sql of [x, y, view, index]) await a.query(sql);
        for (const sql of ["CREATE TABLE gone ()", "DROP TABLE gone", y, index, x, view]) await b.query(sql);
        expect(await dumpOf(a)).toBe(await dumpOf(b));
      }),
    ));

  test("a dump drops the schema public if the database has none", () =>
    withDatabase(async (db) => {
      await db.query("DROP SCHEMA public; CREATE SCHEMA app; CREATE TABLE app.a ()");
      await expectRoundTrip(db);
    }));

  test("comparing a dump with a file shows the differences", async () => {
    const dir = writeFolder({ "schema.sql": "a\r\nb\r\n" });
    const file = (await readDump(join(dir, "schema.sql"))) ?? "";
    expect(compareDump("schema.sql", file, "a\nb\n")).toBeUndefined();
    expect(compareDump("schema.sql", file, "a\nc\n")).toContain("-b\n+c\n");
    expect(await readDump(join(dir, "missing.sql"))).toBeUndefined();
  });

  test("the dump of a database created from a dump is the same, even for IN with varchar", () =>
    withDatabase(async (db) => {
      await db.query(`
        CREATE DOMAIN d AS varchar(9) CHECK (VALUE IN ('a, b', 'it''s', '[x]'));
        CREATE TABLE t (
          s varchar(9) CHECK (s IN ('a', 'b')), n varchar NOT NULL DEFAULT 'x' CHECK (n NOT IN ('y', 'z')),
          g boolean GENERATED ALWAYS AS (s IN ('a', 'b')) STORED, b boolean DEFAULT ('x'::varchar IN ('x', 'y')));
        CREATE INDEX i ON t (s) WHERE s IN ('a', 'b');
        CREATE VIEW v AS SELECT s FROM t WHERE s IN ('a', 'b') AND n NOT IN ('it''s', 'c');
        CREATE MATERIALIZED VIEW m AS SELECT s IN ('a', 'b') AS x FROM t;
        ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON t USING (s IN ('a', 'b')) WITH CHECK (s IN ('a', 'b'));
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (new.s IN ('a', 'b')) EXECUTE FUNCTION f();
        CREATE RULE r AS ON DELETE TO t WHERE old.s IN ('a', 'b') DO INSTEAD NOTHING;`);
      await expectRoundTrip(db);
    }));
});

async function expectRoundTrip(db: TestDatabase): Promise<void> {
  const { sql, omitted } = await dumpSchema(await db.client(), OWN);
  expect(omitted).toEqual([]);
  await withDatabase(async (other) => {
    await other.query(sql);
    const [wanted, found] = [
      await readCatalog(await db.client(), OWN),
      await readCatalog(await other.client(), OWN),
    ];
    expect(diffCatalogs(wanted, found)).toBe("");
    expect(found).toEqual(wanted);
    expect(await dumpOf(other)).toBe(sql);
  });
}

async function dumpOf(db: TestDatabase): Promise<string> {
  return (await dumpSchema(await db.client(), OWN)).sql;
}
