import { describe, expect, it } from "@jest/globals";
import { type Case, NO_TRANSACTION, places, up } from "./lint-cases.ts";
import { lintFiles } from "./lint-folder.ts";

const SQUAWK: readonly Case[] = [
  ...(
    [
      ["CREATE INDEX i ON a (x);", "error require-concurrent-index-creation", 1],
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
    name: "quiet about what is quick: a foreign key of a new column, a proved NOT NULL, DROP INDEX, a temporary table",
    files: up(
      [
        "ALTER TABLE a ADD COLUMN x int REFERENCES b (id), ADD COLUMN y int CONSTRAINT f REFERENCES b;",
        "DROP INDEX i;",
        "CREATE TEMP TABLE IF NOT EXISTS t (x int); CREATE INDEX t_x ON t (x); DROP TABLE t;",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (z IS NOT NULL) NOT VALID;",
      ].join("\n"),
    ),
    expected: [],
  },
  {
    name: "a proved NOT NULL is followed through the migrations",
    files: {
      "1_a.sql":
        "ALTER TABLE a ADD CONSTRAINT c CHECK (x IS NOT NULL) NOT VALID;\n-- Down Migration\nSELECT 1;",
      "2_b.sql": "ALTER TABLE a ALTER x SET NOT NULL;\n-- Down Migration\nSELECT 1;",
      "3_c.sql": "ALTER TABLE a VALIDATE CONSTRAINT c;\n-- Down Migration\nSELECT 1;",
      "4_d.sql": "ALTER TABLE a ALTER x SET NOT NULL;\n-- Down Migration\nSELECT 1;",
    },
    expected: ["error adding-not-nullable-field 2_b.sql:1:23"],
  },
  {
    name: "a foreign key of a new column is reported where rows are checked, and one problem is reported once",
    files: up(
      [
        "ALTER TABLE a ADD COLUMN x int DEFAULT 1 REFERENCES b (id);",
        "ALTER TABLE a ADD COLUMN y int, ADD FOREIGN KEY (y) REFERENCES b (id);",
        "ALTER TABLE a ADD PRIMARY KEY (z);",
        "ALTER TABLE a ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;",
      ].join("\n"),
    ),
    expected: [
      "error adding-foreign-key-constraint 1_a.sql:1:42",
      "error adding-foreign-key-constraint 1_a.sql:2:37",
      "error adding-serial-primary-key-field 1_a.sql:3:19",
      "error adding-column-rewrites-table 1_a.sql:4:1",
    ],
  },
  {
    name: "quiet about types, timeouts and IF NOT EXISTS, which squawk has rules for",
    files: {
      ...up(
        "CREATE TABLE a (id serial PRIMARY KEY, n varchar(20), c char(3), s smallint, t timestamp);\nALTER TABLE b ADD COLUMN x int;\nALTER TABLE b ALTER COLUMN y DROP NOT NULL;",
      ),
      "2_b.sql": `${NO_TRANSACTION}ALTER TABLE b ADD COLUMN x int;\n-- Down Migration\nSELECT 1;`,
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
    name: "squawk's own comments silence nothing, because they give no reason, and that is said",
    files: up("-- squawk-ignore ban-drop-table\nDROP TABLE a; -- squawk-ignore-file"),
    expected: [
      "warning useless-ignore 1_a.sql:1",
      "warning useless-ignore 1_a.sql:2",
      "warning ban-drop-table 1_a.sql:2:1",
    ],
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
        "const t = 'x';\nexport const up = (pgm: any) => {\n  pgm.sql(`\n    SELECT 1;\n    DROP TABLE a;\n  `);\n  pgm.sql('DROP TABLE ' + t);\n};\nexport const down = (pgm: any) => pgm.sql('SELECT 1');",
    },
    expected: ["warning ban-drop-table 1_a.ts", "warning ban-drop-table 1_a.ts:5:5"],
  },
];

describe("lint", () => {
  it.each(SQUAWK)(
    "lint gives the expected findings with squawk: $name",
    async ({ files, options, expected }) => {
      expect(places(await lintFiles(files, options))).toEqual(expected);
    },
  );

  it("lint reports a constant default only for versions of Postgres that rewrite the table", async () => {
    const files = up("ALTER TABLE a ADD COLUMN x int DEFAULT 1;");
    expect(places(await lintFiles(files, { postgresMajor: 17 }))).toEqual([]);
    expect(places(await lintFiles(files, { postgresMajor: 10 }))).toEqual([
      "error adding-field-with-default 1_a.sql:1:40",
    ]);
  });
});
