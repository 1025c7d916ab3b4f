import { describe, expect, it } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { type Evidence, type LintReport, lintMigrations, readFacts } from "../../lib/review/lint/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";

/** Tables with 300 rows, with about 16 MB, with partitions of about 16 MB, and with none. */
const TABLES = `
  CREATE TABLE small (id int, note varchar(20), at timestamp);
  INSERT INTO small SELECT n FROM generate_series(1, 300) AS n;
  CREATE TABLE big (id int PRIMARY KEY, note varchar(20), x text, at timestamp, seen timestamp);
  CREATE INDEX big_seen ON big (seen);
  INSERT INTO big (id, x) SELECT n, repeat('x', 2000) FROM generate_series(1, 8000) AS n;
  CREATE TABLE empty (id int, note varchar(20));
  CREATE TABLE parts (id int, x text) PARTITION BY RANGE (id);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100000);
  INSERT INTO parts SELECT n, repeat('x', 2000) FROM generate_series(1, 8000) AS n;
  CREATE MATERIALIZED VIEW small_view AS SELECT * FROM small;
  CREATE MATERIALIZED VIEW big_view AS SELECT * FROM big;
  ANALYZE;
  CREATE TABLE no_statistics (x text) WITH (autovacuum_enabled = false);
  INSERT INTO no_statistics SELECT repeat('x', 2000) FROM generate_series(1, 8000);`;

async function lint(
  db: TestDatabase,
  migrations: string | readonly string[],
  evidence: Evidence = "sizes",
): Promise<LintReport> {
  const files = [migrations]
    .flat()
    .map((sql, index) => [
      `${index + 1}_a.sql`,
      sql.includes("-- Down") ? sql : `${sql}\n-- Down Migration\nSELECT 1;`,
    ]);
  const dir = writeFolder(Object.fromEntries(files));
  const forecast = await (await openMigrator(db, dir)).forecast();
  const folder = await openFolder(dir);
  return lintMigrations({
    forecast,
    folder,
    relativeTo: folder.dir,
    facts: () => readFacts(db.connection, evidence),
    newestApplied: null,
  });
}

const rulesOf = ({ findings }: LintReport) => findings.map(({ rule }) => rule);

/** Statements by what they would do to a table, with the rule that reports them where the table is big. */
const ON_A_TABLE: readonly (readonly [sql: (table: string) => string, rule: string])[] = [
  [(table) => `CREATE INDEX i ON ${table} (note);`, "require-concurrent-index-creation"],
  [
    (table) => `ALTER TABLE ${table} ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES big (id);`,
    "adding-foreign-key-constraint",
  ],
  [(table) => `ALTER TABLE ${table} ADD CONSTRAINT c CHECK (id > 0);`, "constraint-missing-not-valid"],
  [(table) => `ALTER TABLE ${table} ADD CONSTRAINT u UNIQUE (note);`, "disallowed-unique-constraint"],
  [(table) => `ALTER TABLE ${table} ALTER note SET NOT NULL;`, "adding-not-nullable-field"],
  [(table) => `ALTER TABLE ${table} ALTER id TYPE bigint;`, "changing-column-type"],
  [
    (table) => `ALTER TABLE ${table} ADD COLUMN u uuid DEFAULT gen_random_uuid();`,
    "adding-field-with-default",
  ],
  [(table) => `ALTER TABLE ${table} ADD COLUMN s serial;`, "adding-column-rewrites-table"],
  [(table) => `ALTER TABLE ${table} SET UNLOGGED;`, "rewrites-table"],
  [(table) => `CLUSTER ${table} USING some_index;`, "rewrites-table"],
  [(table) => `UPDATE ${table} SET note = '';`, "update-every-row"],
  [
    (table) => `ALTER TABLE other ADD COLUMN y int; UPDATE ${table} SET note = '' WHERE note IS NULL;`,
    "ddl-with-data",
  ],
];

describe("lint with the sizes of a database", () => {
  it("findings about a duration are kept with the size of a large table, and left out for a small or empty one", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const of = (table: string) => ON_A_TABLE.map(([sql]) => sql(table));
      const all = ON_A_TABLE.map(([, rule], index) => [`${index + 1}_a`, rule]);
      const reported = ({ findings }: LintReport) => findings.map(({ migration, rule }) => [migration, rule]);
      const large = await lint(db, of("big"));
      expect(reported(large)).toEqual(all);
      for (const { message } of large.findings)
        expect(message).toContain("public.big has about 8.0 k rows, 16 MB");
      for (const table of ["small", "empty"]) {
        const report = await lint(db, of(table));
        expect(reported(report)).toEqual([]);
        expect(report.quick?.map(({ migration, rule }) => [migration, rule])).toEqual(all);
      }
      // The rows of a developer's own database say nothing about others.
      expect(reported(await lint(db, of("small"), "columns"))).toEqual(all);
      expect(reported(await lint(db, of("unheard_of")))).toEqual(all);
    }));

  it("a finding names the lock, the work under it, and the rows and bytes of all partitions", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const { findings, quick } = await lint(
        db,
        "CREATE INDEX i ON parts (id);\nALTER TABLE small ALTER id SET NOT NULL;",
      );
      expect(findings.map(({ message }) => message)).toEqual([
        expect.stringMatching(
          / public\.parts has about 8.0 k rows, \d+ MB: holds SHARE \(nobody writes\) while the index is built\.$/,
        ),
      ]);
      expect(quick).toEqual([
        {
          rule: "adding-not-nullable-field",
          migration: "1_a",
          reason: "public.small has about 300 rows, 16 kB",
        },
      ]);
      const { findings: unknown } = await lint(db, "ALTER TABLE no_statistics ALTER x SET NOT NULL;");
      expect(unknown[0]?.message).toMatch(
        /no_statistics has an unknown number of rows, \d+ MB: holds ACCESS EXCLUSIVE/,
      );
      expect(
        rulesOf(await lint(db, "REFRESH MATERIALIZED VIEW big_view; REFRESH MATERIALIZED VIEW small_view;")),
      ).toEqual(["refresh-without-concurrently"]);
      expect(rulesOf(await lint(db, "REINDEX INDEX big_pkey; REINDEX TABLE small;"))).toEqual([
        "require-concurrent-reindex",
      ]);
    }));

  it("a table keeps its size under a new name, also in later migrations", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const release = [
        "ALTER TABLE small RENAME TO little; CREATE INDEX i ON little (id);",
        "ALTER TABLE little RENAME TO tiny; ALTER TABLE big RENAME TO huge;",
        "CREATE INDEX j ON tiny (id); CREATE INDEX k ON huge (id);",
      ];
      const { findings, quick } = await lint(db, release);
      const ofIndexes = findings.filter(({ rule }) => rule === "require-concurrent-index-creation");
      expect(ofIndexes.map(({ statement }) => statement)).toEqual(["CREATE INDEX k ON huge (id)"]);
      expect(quick?.map(({ migration }) => migration)).toEqual(["1_a", "3_a"]);
    }));

  it("findings about lost data are left out only for a table without any row", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const loss = (table: string) =>
        `ALTER TABLE ${table} ADD COLUMN needed int NOT NULL; TRUNCATE ${table};`;
      expect(rulesOf(await lint(db, loss("small")))).toEqual(["adding-required-field", "delete-every-row"]);
      expect(rulesOf(await lint(db, loss("empty")))).toEqual([]);
      const { findings } = await lint(db, "ALTER TABLE small DROP COLUMN note; DROP TABLE big;");
      expect(findings.map(({ rule, message }) => [rule, message])).toEqual([
        ["ban-drop-column", expect.stringContaining("public.small has about 300 rows, 16 kB.")],
        ["ban-drop-table", expect.stringContaining("public.big has about 8.0 k rows, 16 MB.")],
      ]);
    }));

  it("a table of an earlier pending migration is new where the database lacks it", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE old (id int)");
      const release = [
        "CREATE TABLE fresh (id int); CREATE TABLE IF NOT EXISTS maybe (id int); CREATE TABLE IF NOT EXISTS old (id int);",
        "CREATE INDEX f ON fresh (id); CREATE INDEX m ON maybe (id); CREATE INDEX o ON old (id); UPDATE fresh SET id = 1;",
      ];
      const { findings } = await lint(db, release, "tables");
      expect(findings.map(({ rule, column }) => [rule, column])).toEqual([
        ["require-concurrent-index-creation", 61],
      ]);
      expect(rulesOf(await lint(db, release, "columns"))).toHaveLength(4);
    }));
});

describe("lint with the columns of a database", () => {
  it("a down that drops what IF NOT EXISTS has found is reported, and no other", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE old (id int, kept int)");
      const { findings } = await lint(
        db,
        [
          "CREATE TABLE IF NOT EXISTS old (id int); CREATE TABLE IF NOT EXISTS fresh (id int);",
          "ALTER TABLE old ADD COLUMN IF NOT EXISTS kept int, ADD COLUMN IF NOT EXISTS added int;",
          "-- Down Migration",
          "DROP TABLE fresh; ALTER TABLE old DROP COLUMN added;",
          "ALTER TABLE old DROP COLUMN kept;",
          "DROP TABLE old;",
        ].join("\n"),
        "columns",
      );
      expect(findings.map(({ severity, rule, line }) => [severity, rule, line])).toEqual([
        ["error", "down-drops-data", 5],
        ["error", "down-drops-data", 6],
      ]);
    }));

  it("SET NOT NULL is not reported where a validated CHECK or the column itself rules out nulls", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      await db.query(`ALTER TABLE big ADD CONSTRAINT checked CHECK (note IS NOT NULL) NOT VALID;
        ALTER TABLE big ADD COLUMN "Odd one" int DEFAULT 1 CHECK ("Odd one" IS NOT NULL);
        ALTER TABLE big ADD COLUMN loose int CHECK (loose IS NOT NULL OR true);`);
      const set = (column: string) => `ALTER TABLE big ALTER ${column} SET NOT NULL;`;
      const reported = ["adding-not-nullable-field"];
      expect(rulesOf(await lint(db, set("note"), "columns"))).toEqual(reported);
      expect(
        rulesOf(await lint(db, ["ALTER TABLE big VALIDATE CONSTRAINT checked;", set("note")], "columns")),
      ).toEqual([]);
      expect(rulesOf(await lint(db, set("id") + set('"Odd one"'), "columns"))).toEqual([]);
      expect(rulesOf(await lint(db, set("loose"), "columns"))).toEqual(reported);
      const dropped = ["ALTER TABLE big DROP CONSTRAINT checked;", set("note")];
      expect(rulesOf(await lint(db, dropped, "columns"))).toEqual(reported);
    }));

  it("timestamp to timestamptz is not reported where no index has the column, because sessions are in UTC", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const change = (column: string, type: string) => `ALTER TABLE big ALTER ${column} TYPE ${type};`;
      expect(rulesOf(await lint(db, change("at", "timestamptz"), "columns"))).toEqual([]);
      expect(
        rulesOf(await lint(db, change("at", "timestamptz USING at AT TIME ZONE 'UTC'"), "columns")),
      ).toEqual(["changing-column-type"]);
      expect(rulesOf(await lint(db, change("seen", "timestamptz"), "columns"))).toEqual([
        "changing-column-type",
      ]);
      expect(rulesOf(await lint(db, change("at", "timestamptz(3)"), "columns"))).toEqual([
        "changing-column-type",
      ]);
    }));

  it("what lint calls instant rewrites no table on the server", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const file = async () =>
        (await db.query<{ f: string }>("SELECT pg_relation_filenode('big')::text AS f"))[0]?.f;
      const before = await file();
      await db.query(`SET TimeZone = 'UTC'; DROP MATERIALIZED VIEW big_view;
        ALTER TABLE big ALTER at TYPE timestamptz, ALTER note TYPE varchar(40), ALTER x TYPE varchar;
        ALTER TABLE big ALTER note TYPE text;`);
      expect(await file()).toBe(before);
      await db.query("ALTER TABLE big ALTER at TYPE timestamptz(3)");
      expect(await file()).not.toBe(before);
    }));
});
