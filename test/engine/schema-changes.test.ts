import { describe, expect, it } from "@jest/globals";
import type { SchemaChange } from "../../lib/core/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";

const summary = (changes: readonly SchemaChange[] | null) =>
  changes?.map(({ kind, name, change, parts, columns }) =>
    [
      `${change} ${kind} ${name}`,
      ...(columns === undefined ? [] : [`${columns} columns`]),
      ...parts.map((part) => `${part.change} ${part.kind} ${part.name}`.trim()),
    ].join(", "),
  );

const FIRST = `
CREATE TABLE parent (id int PRIMARY KEY, name text);
CREATE TABLE gone (id int);
CREATE VIEW names AS SELECT name FROM parent;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM parent;
CREATE TYPE mood AS ENUM ('ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT 2 * a';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';`;

const SECOND = `
DROP TABLE gone;
ALTER TABLE parent ADD age int, ALTER name SET NOT NULL, ADD CONSTRAINT parent_name CHECK (name <> '');
CREATE INDEX parent_age ON parent (age);
CREATE TRIGGER touched BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
CREATE OR REPLACE VIEW names AS SELECT name FROM parent WHERE name <> '';
CREATE OR REPLACE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a + a';
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100);`;

describe("the report of a run", () => {
  it("the report lists exactly what the run has added, altered and removed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": FIRST });
      const first = await (await openMigrator(db, dir)).up();
      expect(summary(first.changes)).toEqual([
        "added table gone, 1 columns",
        "added table parent, 2 columns",
        "added view names, 1 columns",
        "added materialized view totals, 1 columns",
        "added type mood",
        "added type positive",
        "added function touch()",
        "added function twice(a integer)",
      ]);
      addFiles(dir, { "2_b.sql": SECOND, "3_c.sql": "ALTER TYPE mood ADD VALUE 'bad';" });
      const second = await (await openMigrator(db, dir)).up();
      expect(summary(second.changes)).toEqual([
        "added table child, 2 columns",
        "removed table gone, 1 columns",
        "altered table parent, 3 columns, altered column name, added column age, added constraint parent_name, added index parent_age, added trigger touched",
        "altered view names, 1 columns, altered definition",
        "altered type mood, added value bad",
        "altered type positive, altered definition",
        "altered function twice(a integer), altered definition",
      ]);
    }));

  it("the report lists no change after rows only, an empty run, or a change of the record alone", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (id int);" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "2_b.sql": "INSERT INTO a VALUES (1);" });
      expect((await (await openMigrator(db, dir)).up()).changes).toEqual([]);
      expect((await (await openMigrator(db, dir)).up()).changes).toBeNull();
      addFiles(dir, { "3_c.sql": "CREATE TABLE c (id int);" });
      expect((await (await openMigrator(db, dir)).up({}, "fake")).changes).toBeNull();
    }));

  it("the report covers the configured schemas only, without extensions and the engine's tables", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          'CREATE SCHEMA other; CREATE TABLE other.o (id int); CREATE TABLE "b.x" (id int); CREATE TABLE app.t (id int); CREATE EXTENSION hstore;',
      });
      const migrator = await openMigrator(db, dir, { schema: ["public", "app"], createSchema: true });
      expect(summary((await migrator.up()).changes)).toEqual([
        'added table "b.x", 1 columns',
        "added table app.t, 1 columns",
      ]);
    }));

  it("the report does not wait for a table that another session has locked", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (id int DEFAULT 1 CHECK (id > 0)); CREATE VIEW v AS SELECT * FROM a;",
      });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "2_b.sql": "CREATE TABLE b (id int);" });
      const other = await db.client();
      await other.query("BEGIN; LOCK TABLE a, v IN ACCESS EXCLUSIVE MODE");
      const { changes } = await (await openMigrator(db, dir, { lockTimeoutMs: 500, lockRetries: 0 })).up();
      expect(summary(changes)).toEqual(["added table b, 1 columns"]);
      await other.query("ROLLBACK");
    }));
});
