import { describe, expect, it } from "@jest/globals";
import { type Case, NO_TRANSACTION, places, up } from "./lint-cases.ts";
import { lintFiles } from "./lint-folder.ts";

const OWN: readonly Case[] = [
  {
    name: "missing-down: SQL without a down section",
    files: { "1_a.sql": "CREATE TABLE a (id int);" },
    expected: ["error missing-down 1_a.sql"],
  },
  {
    name: "missing-down: a pair without its down file names the up file",
    files: { "1_a.up.sql": "CREATE TABLE a (id int);" },
    expected: ["error missing-down 1_a.up.sql"],
  },
  {
    name: "missing-down: a call that cannot be reversed",
    files: { "1_a.ts": "export const up = (pgm: any) => pgm.sql('CREATE TABLE b (id int)');" },
    expected: ["error missing-down 1_a.ts"],
  },
  {
    name: "missing-down: a file that says that it cannot be undone has answered",
    files: {
      "1_a.ts":
        "export const up = (pgm: any) => pgm.createTable('a', { id: 'id' }); export const down = false;",
      "2_b.ts":
        "export const irreversible = 'sent'; export const up = (pgm: any) => pgm.sql('CREATE TABLE b (id int)');",
      "3_c.sql": "CREATE TABLE c (id int); -- irreversible: data is gone",
      "4_d.up.sql": "-- irreversible: a pair of one\nCREATE TABLE d (id int);",
      "5_e.sql": "-- irreversible:\nCREATE TABLE e (t text DEFAULT '\n-- irreversible: no comment');",
    },
    expected: ["error missing-down 5_e.sql"],
  },
  {
    name: "syntax-error: a column named password, and a password in dollar quotes, are no errors of syntax",
    files: {
      "1_a.sql": [
        'CREATE TABLE u (id bigint, "password" varchar(60) NOT NULL);',
        'ALTER TABLE u ADD COLUMN password_hash text; ALTER TABLE u ALTER "password" SET DATA TYPE text;',
        "ALTER ROLE r PASSWORD $pga$x$pga$;",
        "-- Down Migration",
        "DROP TABLE u;",
      ].join("\n"),
    },
    expected: ["error password-in-migration 1_a.sql:3:1"],
  },
  {
    name: "missing-down: an inferred down is a down",
    files: { "1_a.ts": "export const up = (pgm: any) => pgm.createTable('a', { id: 'id' });" },
    expected: [],
  },
  {
    name: "down-drops-data: what the up created may go, renamed ones too",
    files: {
      "1_a.sql": [
        "CREATE TABLE a (id int); ALTER TABLE old ADD COLUMN x int; ALTER TABLE old RENAME COLUMN x TO y;",
        "ALTER TABLE a RENAME TO b; CREATE TYPE mood AS ENUM ('ok'); CREATE SCHEMA s; CREATE TABLE s.t (id int);",
        "-- Down Migration",
        'DROP TABLE b CASCADE; ALTER TABLE "old" DROP COLUMN y; DROP TYPE mood CASCADE; DROP TABLE t; DROP SCHEMA s CASCADE;',
      ].join("\n"),
    },
    expected: [],
  },
  {
    name: "down-drops-data: what was there before may not",
    files: {
      "1_a.sql": [
        "CREATE TABLE s.a (id int);",
        "-- Down Migration",
        "DROP TABLE r.a;",
        "DROP TABLE b, s.a;",
        "ALTER TABLE c DROP COLUMN x;",
        "DROP TYPE mood CASCADE;",
        "DROP TYPE unused;",
        "TRUNCATE d;",
        "DELETE FROM e;",
        "DELETE FROM e WHERE id = 1;",
        "DROP INDEX i; DROP VIEW v;",
      ].join("\n"),
    },
    expected: [
      "error down-drops-data 1_a.sql:3:1",
      "error down-drops-data 1_a.sql:4:1",
      "error down-drops-data 1_a.sql:5:1",
      "error down-drops-data 1_a.sql:6:1",
      "error down-drops-data 1_a.sql:8:1",
      "error down-drops-data 1_a.sql:9:1",
    ],
  },
  {
    name: "down-drops-data: without a database, IF NOT EXISTS is taken for a habit",
    files: {
      "1_a.up.sql": "CREATE TABLE IF NOT EXISTS a (id int);",
      "1_a.down.sql": "-- away\nDROP TABLE a;",
    },
    expected: [],
  },
  {
    name: "down-drops-data: a table the down makes for itself",
    files: { "1_a.sql": "SELECT 1;\n-- Down Migration\nCREATE TEMP TABLE t AS SELECT 1; DROP TABLE t;" },
    expected: [],
  },
  {
    name: "concurrently-in-transaction: every statement that can be, in both directions",
    files: {
      "1_a.sql": [
        "CREATE INDEX CONCURRENTLY i ON a (id);",
        "DROP INDEX CONCURRENTLY j;",
        "REINDEX (CONCURRENTLY) TABLE a;",
        "REINDEX TABLE CONCURRENTLY a;",
        "ALTER TABLE p DETACH PARTITION c CONCURRENTLY;",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v;",
        "-- Down Migration",
        "DROP INDEX CONCURRENTLY i;",
      ].join("\n"),
    },
    expected: [1, 2, 3, 4, 5, 8].map((line) => `error concurrently-in-transaction 1_a.sql:${line}:1`),
  },
  {
    name: "concurrently-in-transaction: not without a transaction",
    files: {
      "1_a.sql": `${NO_TRANSACTION}CREATE INDEX CONCURRENTLY i ON a (id);\n-- Down Migration\nDROP INDEX CONCURRENTLY i;`,
      "2_b.ts":
        "export const up = (pgm: any) => { pgm.noTransaction(); pgm.createIndex('b', 'x', { concurrently: true }); };",
    },
    expected: [],
  },
  {
    name: "ddl-with-data: rows are changed while the table is locked",
    files: up("ALTER TABLE a ADD COLUMN x int;\nUPDATE a SET x = 1;\nWITH d AS (DELETE FROM b) SELECT 1;"),
    expected: ["error ddl-with-data 1_a.sql:2:1", "error delete-every-row 1_a.sql:3:1"],
  },
  {
    name: "ddl-with-data: one finding for a migration, at the first statement that changes rows under the lock",
    files: up(
      "UPDATE a SET x = 1 WHERE x IS NULL;\nALTER TABLE a ALTER x SET DEFAULT 1;\nUPDATE a SET y = 1 WHERE y IS NULL;\nUPDATE b SET y = 1 WHERE y IS NULL;",
    ),
    expected: ["error ddl-with-data 1_a.sql:3:1"],
  },
  {
    name: "ddl-with-data: a table that is dropped where it exists, and made again for the migration alone",
    files: up(
      "DROP TABLE IF EXISTS work; CREATE TEMP TABLE work AS SELECT 1; UPDATE a SET x = 1 WHERE x IS NULL; DROP TABLE work;",
    ),
    expected: ["warning ban-drop-table 1_a.sql:1:1"],
  },
  {
    name: "a table that the migration has emptied costs as little as a new one",
    files: up(
      "TRUNCATE a;\nALTER TABLE a ADD COLUMN x int NOT NULL;\nCREATE INDEX i ON a (x);\nALTER TABLE a ALTER y SET NOT NULL;",
    ),
    expected: ["error delete-every-row 1_a.sql:1:1"],
  },
  {
    name: "a rule is reported once for a statement",
    files: up(
      "ALTER TABLE a ALTER x SET NOT NULL,\n  ALTER y SET NOT NULL;\nALTER TABLE a ADD COLUMN n serial NOT NULL;",
    ),
    expected: [
      "error adding-not-nullable-field 1_a.sql:1:23",
      "error adding-column-rewrites-table 1_a.sql:3:1",
    ],
  },
  {
    name: "ddl-with-data: the lock comes after",
    files: up("UPDATE a SET x = 1 WHERE x IS NULL;\nALTER TABLE a ALTER COLUMN x SET DEFAULT 1;"),
    expected: ["warning ddl-with-data 1_a.sql:1:1"],
  },
  {
    name: "ddl-with-data: rows are copied from a table in use",
    files: up(
      "CREATE TABLE b (id int);\nALTER TABLE a ADD COLUMN x int;\nINSERT INTO b SELECT id FROM a;\nINSERT INTO b SELECT 1;",
    ),
    expected: ["error ddl-with-data 1_a.sql:3:1"],
  },
  {
    name: "ddl-with-data: few rows, new tables, or no table in use that is locked",
    files: {
      ...up(
        "ALTER TABLE a ADD COLUMN x int;\nUPDATE a SET x = 1 WHERE id IN (1, 2) AND y;\nDELETE FROM a WHERE code = 'x'::text;\nINSERT INTO a VALUES (1);\nCREATE TABLE b (id int); UPDATE b SET id = 1; INSERT INTO b SELECT * FROM b;",
      ),
      "2_b.sql":
        "CREATE TABLE c (id int); INSERT INTO c SELECT id FROM a; UPDATE a SET x = 1 WHERE x IS NULL;\n-- Down Migration\nSELECT 1;",
    },
    expected: [],
  },
  {
    name: "ddl-with-data: without a transaction nothing is held",
    files: up(`${NO_TRANSACTION}ALTER TABLE a ADD COLUMN x int;\nUPDATE a SET x = 1 WHERE x IS NULL;`),
    expected: [],
  },
  {
    name: "older-than-applied: by number, as migrations are ordered",
    files: {
      ...up("SELECT 1;"),
      "9_b.sql": "SELECT 1;\n-- Down Migration\nSELECT 1;",
      "10_c.sql": "SELECT 1;\n-- Down Migration\nSELECT 1;",
    },
    options: { newestApplied: "9_a" },
    expected: ["error older-than-applied 1_a.sql"],
  },
  {
    name: "syntax-error: where PostgreSQL's parser sees it, in either direction",
    files: {
      "1_a.sql": "SELECT 'é';\nSELEC 1;\n-- Down Migration\nSELECT 1",
      "2_b.sql": "SELECT 1;\n-- Down Migration\nSELECT (;",
      "3_c.ts":
        "export const up = (pgm: any) => pgm.sql('SELEC 1'); export const down = (pgm: any) => pgm.sql('SELECT 1');",
    },
    expected: [
      "error syntax-error 1_a.sql:2:1",
      "error syntax-error 2_b.sql:3:9",
      "error syntax-error 3_c.ts:1:42",
    ],
  },
  {
    name: "not-linted: the SQL depends on the database",
    files: {
      "1_a.ts":
        "export const up = async (pgm: any) => { await pgm.db.query('SELECT 1'); pgm.sql('DROP TABLE a'); }; export const down = (pgm: any) => pgm.sql('SELECT 1');",
    },
    expected: ["warning not-linted 1_a.ts"],
  },
];

describe("lint", () => {
  it.each(OWN)("lint gives the expected findings: $name", async ({ files, options, expected }) => {
    expect(places(await lintFiles(files, options))).toEqual(expected);
  });
});
