import { describe, expect, it } from "@jest/globals";
import type { LintReport } from "../../lib/cli/lint/index.ts";
import { type FolderOptions, lintFiles, lintFolder } from "./lint-folder.ts";

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly options?: FolderOptions;
  /** `error rule file:line:column`, the place as far as it is known. */
  readonly expected: readonly string[];
}

function places({ findings }: LintReport): string[] {
  return findings.map(({ severity, rule, file, line, column }) => {
    const place = [file, line, column].filter((part) => part !== undefined).join(":");
    return `${severity} ${rule} ${place}`;
  });
}

/** One SQL file with a down that is right for none of them, and says so. */
const up = (sql: string): Record<string, string> => ({ "1_a.sql": `${sql}\n-- Down Migration\nSELECT 1;\n` });
const module = (code: string): Record<string, string> => ({
  "1_a.ts": `export const up = (pgm: any) => { ${code} };\nexport const down = () => {};\n`,
});
const NO_TRANSACTION = "-- migrate: no-transaction\n";

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
    name: "missing-down: down = false, and a call that cannot be reversed",
    files: {
      "1_a.ts":
        "export const up = (pgm: any) => pgm.createTable('a', { id: 'id' }); export const down = false;",
      "2_b.ts": "export const up = (pgm: any) => pgm.sql('CREATE TABLE b (id int)');",
    },
    expected: ["error missing-down 1_a.ts", "error missing-down 2_b.ts"],
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
    expected: ["warning renaming-column 1_a.sql:1:76"],
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
    name: "down-drops-data: IF NOT EXISTS may have created nothing",
    files: {
      "1_a.up.sql": "CREATE TABLE IF NOT EXISTS a (id int);",
      "1_a.down.sql": "-- away\nDROP TABLE a;",
    },
    expected: ["warning down-drops-data 1_a.down.sql:2:1"],
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
    expected: ["error ddl-with-data 1_a.sql:2:1", "error ddl-with-data 1_a.sql:3:1"],
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
        "CREATE TABLE c (id int); INSERT INTO c SELECT id FROM a; UPDATE a SET x = 1;\n-- Down Migration\n",
    },
    expected: [],
  },
  {
    name: "ddl-with-data: without a transaction nothing is held",
    files: up(`${NO_TRANSACTION}ALTER TABLE a ADD COLUMN x int;\nUPDATE a SET x = 1;`),
    expected: [],
  },
  {
    name: "older-than-applied: by number, as migrations are ordered",
    files: {
      ...up("SELECT 1;"),
      "9_b.sql": "SELECT 1;\n-- Down Migration\n",
      "10_c.sql": "SELECT 1;\n-- Down Migration\n",
    },
    options: { newestApplied: "9_a" },
    expected: ["error older-than-applied 1_a.sql"],
  },
  {
    name: "syntax-error: where PostgreSQL's parser sees it, in either direction",
    files: {
      "1_a.sql": "SELECT 'é';\nSELEC 1;\n-- Down Migration\nSELECT 1",
      "2_b.sql": "SELECT 1;\n-- Down Migration\nSELECT (;",
      "3_c.ts": "export const up = (pgm: any) => pgm.sql('SELEC 1'); export const down = () => {};",
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
        "export const up = async (pgm: any) => { await pgm.db.query('SELECT 1'); pgm.sql('DROP TABLE a'); }; export const down = () => {};",
    },
    expected: ["warning not-linted 1_a.ts"],
  },
];

const SQUAWK: readonly Case[] = [
  ...(
    [
      ["CREATE INDEX i ON a (x);", "error require-concurrent-index-creation", 1],
      ["DROP INDEX i;", "warning require-concurrent-index-deletion", 1],
      ["REINDEX TABLE a;", "error require-concurrent-reindex", 1],
      [
        "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b (id);",
        "error adding-foreign-key-constraint",
        19,
      ],
      ["ALTER TABLE a ADD CONSTRAINT f CHECK (x > 0);", "error constraint-missing-not-valid", 15],
      ["ALTER TABLE a ADD CONSTRAINT f UNIQUE (x);", "error disallowed-unique-constraint", 19],
      ["ALTER TABLE a ADD COLUMN x int NOT NULL;", "error adding-required-field", 15],
      ["ALTER TABLE a ADD COLUMN x uuid DEFAULT gen_random_uuid();", "error adding-field-with-default", 41],
      ["ALTER TABLE a ALTER COLUMN x SET NOT NULL;", "error adding-not-nullable-field", 30],
      ["ALTER TABLE a ALTER COLUMN x TYPE bigint;", "error changing-column-type", 30],
      ["ALTER TABLE a RENAME COLUMN x TO y;", "warning renaming-column", 15],
      ["ALTER TABLE a RENAME TO b;", "warning renaming-table", 15],
      ["ALTER TABLE a DROP COLUMN x;", "warning ban-drop-column", 15],
      ["DROP TABLE a;", "warning ban-drop-table", 1],
      ["TRUNCATE a CASCADE;", "error ban-truncate-cascade", 12],
    ] as const
  ).map(([sql, finding, column]) => ({
    name: `${finding}: ${sql}`,
    files: up(sql),
    expected: [`${finding} 1_a.sql:1:${column}`],
  })),
  {
    name: "quiet about types, timeouts and IF NOT EXISTS, which squawk has rules for",
    files: {
      ...up(
        "CREATE TABLE a (id serial PRIMARY KEY, n varchar(20), c char(3), s smallint, t timestamp);\nALTER TABLE b ADD COLUMN x int;\nALTER TABLE b ALTER COLUMN y DROP NOT NULL;",
      ),
      "2_b.sql": `${NO_TRANSACTION}ALTER TABLE b ADD COLUMN x int;\n-- Down Migration\n`,
    },
    expected: [],
  },
  {
    name: "quiet about tables that the migration creates, with and without a transaction",
    files: Object.fromEntries(
      ["", NO_TRANSACTION].map((first, index) => [
        `${index + 1}_a.sql`,
        `${first}CREATE TABLE "public"."a" (id int);\nCREATE INDEX i ON a (id);\nALTER TABLE a ADD COLUMN x int NOT NULL;\nALTER TABLE a ADD CONSTRAINT u UNIQUE (x);\nALTER TABLE a ALTER x SET NOT NULL;\nDROP INDEX i;\n-- Down Migration\nDROP TABLE a;`,
      ]),
    ),
    expected: [],
  },
  {
    name: "a table is new only from where it is created",
    files: up(
      "DROP TABLE a;\nCREATE TABLE a (id int);\nALTER TABLE a ADD COLUMN x int NOT NULL;\nDROP TABLE a;",
    ),
    expected: ["warning ban-drop-table 1_a.sql:1:1"],
  },
  {
    name: "a file with a transaction of its own around it, which the engine takes off",
    files: up("-- for psql\nBEGIN;\nCREATE TABLE a (id int);\nALTER TABLE b ALTER x SET NOT NULL;\nCOMMIT;"),
    expected: ["error adding-not-nullable-field 1_a.sql:4:23"],
  },
  {
    name: "IF NOT EXISTS may have found a table in use",
    files: up("CREATE TABLE IF NOT EXISTS a (id int);\nALTER TABLE a ALTER x SET NOT NULL;"),
    expected: ["error adding-not-nullable-field 1_a.sql:2:23"],
  },
  {
    name: "lines and columns are those of the file: several statements, CRLF, a byte order mark, characters of many bytes",
    files: up(
      "\ufeff-- größe\r\nSELECT 1; /* ü */ SELECT '😀' AS x; DROP TABLE a;\r\n\r\nCREATE TABLE ö (\r\n  id int); ALTER TABLE é\r\n  DROP COLUMN \"ñ\";",
    ),
    expected: ["warning ban-drop-table 1_a.sql:2:37", "warning ban-drop-column 1_a.sql:6:3"],
  },
  {
    name: "squawk's own comments silence nothing: they give no reason",
    files: up("-- squawk-ignore ban-drop-table\nDROP TABLE a; -- squawk-ignore-file"),
    expected: ["warning ban-drop-table 1_a.sql:2:1"],
  },
  {
    name: "an up section below the down section",
    files: { "1_a.sql": "-- Down Migration\nSELECT 1;\n-- Up Migration\n\nDROP TABLE a;" },
    expected: ["warning ban-drop-table 1_a.sql:5:1"],
  },
  {
    name: "pgm.sql in TypeScript: the line of the file, where it stands there once",
    files: {
      "1_a.ts":
        "const t = 'x';\nexport const up = (pgm: any) => {\n  pgm.sql(`\n    SELECT 1;\n    DROP TABLE a;\n  `);\n  pgm.sql('DROP TABLE ' + t);\n};\nexport const down = () => {};",
    },
    expected: ["warning ban-drop-table 1_a.ts", "warning ban-drop-table 1_a.ts:5:5"],
  },
];

describe("lint", () => {
  it("has nothing to say about this project's own migrations", async () => {
    expect(await lintFolder("migrations")).toEqual({ findings: [], accepted: [], migrations: 1, ok: true });
  });

  it.each(OWN)("$name", async ({ files, options, expected }) => {
    expect(places(await lintFiles(files, options))).toEqual(expected);
  });

  it.each(SQUAWK)("squawk: $name", async ({ files, options, expected }) => {
    expect(places(await lintFiles(files, options))).toEqual(expected);
  });

  it("is not ok with an error, and is with warnings", async () => {
    expect((await lintFiles(up("DROP TABLE a;"))).ok).toBe(true);
    expect((await lintFiles(up("CREATE INDEX i ON a (x);"))).ok).toBe(false);
  });

  it("a builder migration's finding shows the file and the statement, and says it in the builder's words", async () => {
    const { findings } = await lintFiles(
      module("pgm.addColumn('b', { x: 'int' }); pgm.createIndex('b', 'x'); pgm.dropTable('a');"),
    );
    expect(findings).toMatchObject([
      {
        rule: "require-concurrent-index-creation",
        migration: "1_a",
        file: "1_a.ts",
        statement: 'CREATE INDEX "b_x_index" ON "b" ("x")',
        help: expect.stringContaining("pgm.createIndex(table, columns, { concurrently: true })"),
      },
      { rule: "ban-drop-table", statement: 'DROP TABLE "a"' },
    ]);
    expect(findings[0]).not.toHaveProperty("line");
  });

  it("shows no password, not even in the message of a syntax error", async () => {
    const report = await lintFiles(up("ALTER ROLE r RENAME PASSWORD 'hunter2';"));
    expect(places(report)).toEqual(["error syntax-error 1_a.sql:1:21"]);
    expect(JSON.stringify(report)).not.toContain("hunter2");
  });

  it("the target version decides: a constant default rewrote tables before Postgres 11", async () => {
    const files = up("ALTER TABLE a ADD COLUMN x int DEFAULT 1;");
    expect(places(await lintFiles(files, { postgresMajor: 17 }))).toEqual([]);
    expect(places(await lintFiles(files, { postgresMajor: 10 }))).toEqual([
      "error adding-field-with-default 1_a.sql:1:40",
    ]);
  });

  it("lints 200 migrations with one call of squawk, in a few seconds", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [
        `${1000 + index}_m.ts`,
        `export const up = (pgm: any) => { pgm.createTable('t${index}', { id: 'id', x: 'text' }); pgm.createIndex('a', 'x${index}'); };`,
      ]),
    );
    const started = performance.now();
    const { findings, migrations } = await lintFiles(files);
    const took = performance.now() - started;
    expect(migrations).toBe(200);
    expect(findings.map(({ migration }) => migration)).toEqual(
      Array.from({ length: 200 }, (_, index) => `${1000 + index}_m`),
    );
    expect(took).toBeLessThan(15_000);
  });

  it("takes a time that grows with the number of statements, not with its square", async () => {
    const started = performance.now();
    const rows = "INSERT INTO seed VALUES (1, 'é');\n".repeat(5000);
    const { findings } = await lintFiles(up(`${rows}${"ALTER TABLE a DROP COLUMN x;\n".repeat(2000)}`));
    expect(findings).toHaveLength(2000);
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
