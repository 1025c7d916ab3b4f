import { describe, expect, it } from "@jest/globals";
import { NO_TRANSACTION, places, up } from "./lint-cases.ts";
import { lintFiles } from "./lint-folder.ts";

/** A statement, and the rules that must say something of it. */
const DANGEROUS: readonly (readonly [string, ...string[]])[] = [
  ["DROP SCHEMA public CASCADE;", "error drop-cascade"],
  ["DROP TABLE IF EXISTS a, b CASCADE;", "error drop-cascade"],
  ["ALTER TABLE a DROP CONSTRAINT a_key CASCADE;", "error drop-cascade"],
  ["DROP TYPE mood CASCADE;", "error drop-cascade"],
  ["TRUNCATE big;", "error delete-every-row"],
  ["TRUNCATE TABLE s.big RESTART IDENTITY;", "error delete-every-row"],
  ["DELETE FROM big;", "error delete-every-row"],
  ["WITH gone AS (DELETE FROM big RETURNING *) SELECT count(*) FROM gone;", "error delete-every-row"],
  ["UPDATE big SET x = 1;", "warning update-every-row"],
  ["ALTER TABLE big ADD COLUMN x serial;", "error adding-column-rewrites-table"],
  ["ALTER TABLE big ADD COLUMN x bigint GENERATED ALWAYS AS IDENTITY;", "error adding-column-rewrites-table"],
  [
    "ALTER TABLE big ADD COLUMN x int GENERATED ALWAYS AS (y + 1) STORED;",
    "error adding-column-rewrites-table",
  ],
  ["ALTER TABLE big ADD COLUMN x uuid DEFAULT gen_random_uuid();", "error adding-field-with-default"],
  ["ALTER TABLE big ADD COLUMN x timestamptz DEFAULT clock_timestamp();", "error adding-field-with-default"],
  ["CLUSTER big USING big_pkey;", "error rewrites-table"],
  ["ALTER TABLE big SET UNLOGGED;", "error rewrites-table"],
  ["LOCK TABLE big;", "error lock-table"],
  ["LOCK TABLE big IN ACCESS EXCLUSIVE MODE;", "error lock-table"],
  ["REFRESH MATERIALIZED VIEW v;", "error refresh-without-concurrently"],
  ["GRANT ALL ON a TO PUBLIC;", "warning grant-to-public"],
  ["GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA s TO x, PUBLIC;", "warning grant-to-public"],
  ["GRANT INSERT, SELECT ON a TO PUBLIC;", "warning grant-to-public"],
  ["GRANT CREATE ON SCHEMA public TO PUBLIC;", "warning grant-to-public"],
  ["ALTER TABLE a DISABLE ROW LEVEL SECURITY;", "error disable-row-level-security"],
  [
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';",
    "warning security-definer-search-path",
  ],
  ["ALTER FUNCTION f() SECURITY DEFINER;", "warning security-definer-search-path"],
  ["ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON TABLES TO PUBLIC;", "warning grant-to-public"],
  ["CREATE ROLE r LOGIN PASSWORD 'x';", "error password-in-migration"],
  ["ALTER USER r WITH ENCRYPTED PASSWORD 'x';", "error password-in-migration"],
  ["CREATE USER MAPPING FOR r SERVER s OPTIONS (user 'a', password 'b');", "error password-in-migration"],
  ["CREATE ROLE r SUPERUSER;", "warning privileged-role"],
  ["ALTER ROLE r BYPASSRLS;", "warning privileged-role"],
  ["DROP OWNED BY r;", "error drop-owned"],
  ["ALTER TABLE big ADD COLUMN x int CHECK (x > 0);", "error adding-column-checks-rows"],
  ["ALTER TABLE big ALTER COLUMN x SET EXPRESSION AS (y + 1);", "error rewrites-table"],
  [
    "ALTER TYPE mood ADD VALUE 'glad'; UPDATE t SET m = 'glad' WHERE id = 1;",
    "error enum-value-in-transaction",
  ],
  [
    "ALTER TYPE mood ADD VALUE 'glad'; ALTER TABLE t ALTER m SET DEFAULT 'glad';",
    "error enum-value-in-transaction",
  ],
  ["CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p;", "error refused-in-transaction"],
  ["DO $$ BEGIN EXECUTE 'drop table ' || 'x'; END $$;", "warning drop-in-code"],
  ["DO $$ BEGIN TRUNCATE big; END $$;", "warning drop-in-code"],
  ["CREATE TABLE t (at timestamptz DEFAULT 'now()');", "error default-is-text"],
  ["ALTER TABLE t ALTER COLUMN at SET DEFAULT 'now'::timestamp;", "error default-is-text"],
  ["CREATE TABLE t (id uuid DEFAULT 'gen_random_uuid()');", "error default-is-text"],
  ["VACUUM a;", "error refused-in-transaction"],
  ["CREATE DATABASE d;", "error refused-in-transaction"],
  ["ALTER SYSTEM SET work_mem = '1MB';", "error alter-system", "error refused-in-transaction"],
  [`${NO_TRANSACTION}VACUUM (FULL, ANALYZE) big;`, "error rewrites-table"],
  [`${NO_TRANSACTION}ALTER SYSTEM SET work_mem = '1MB';`, "error alter-system"],
];

const HARMLESS: readonly string[] = [
  "CREATE TABLE a (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), u uuid DEFAULT gen_random_uuid());",
  "CREATE TABLE a (id int); ALTER TABLE a ADD COLUMN x serial; UPDATE a SET x = 1; DELETE FROM a; TRUNCATE a; LOCK TABLE a;",
  "CREATE TABLE a (id int); DROP TABLE a CASCADE;",
  "CREATE SCHEMA s; DROP SCHEMA s CASCADE;",
  "ALTER TABLE big ADD COLUMN x int DEFAULT 1, ADD COLUMN y timestamptz DEFAULT now();",
  "ALTER TABLE big ADD COLUMN at timestamp DEFAULT (now() AT TIME ZONE 'utc');",
  "ALTER TABLE big ADD COLUMN at date DEFAULT CURRENT_DATE, ADD COLUMN d text DEFAULT lower('X');",
  "DELETE FROM big WHERE id = 3;",
  "UPDATE big SET x = 1 WHERE x IS NULL AND id < 100;",
  "CREATE TABLE t (a text DEFAULT 'now we begin', b text DEFAULT 'pending');",
  "LOCK TABLE big IN SHARE UPDATE EXCLUSIVE MODE;",
  "CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA; REFRESH MATERIALIZED VIEW v;",
  "REFRESH MATERIALIZED VIEW CONCURRENTLY v;",
  "CREATE MATERIALIZED VIEW v AS SELECT 1 AS x; CREATE UNIQUE INDEX i ON v (x);",
  "CREATE INDEX i ON ONLY parts (x);",
  "GRANT SELECT ON a TO PUBLIC; GRANT USAGE ON SCHEMA s TO PUBLIC; GRANT EXECUTE ON FUNCTION f() TO PUBLIC; GRANT ALL ON a TO app; REVOKE ALL ON a FROM PUBLIC;",
  "ALTER TABLE a ENABLE ROW LEVEL SECURITY;",
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1';",
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
  "DO $$ BEGIN -- no DROP TABLE here\n  PERFORM 1; END $$;",
  "DROP FUNCTION f(); DROP VIEW v; DROP INDEX CONCURRENTLY IF EXISTS i;".replace(
    "DROP INDEX CONCURRENTLY IF EXISTS i;",
    "",
  ),
  "ALTER FUNCTION f() SECURITY DEFINER SET search_path = pg_catalog; ALTER FUNCTION f() SECURITY INVOKER;",
  "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
  "CREATE ROLE r LOGIN; ALTER ROLE r PASSWORD 'SCRAM-SHA-256$4096:a$b:c'; ALTER ROLE r PASSWORD NULL; ALTER ROLE r NOSUPERUSER;",
  "CREATE TABLE a (x int CHECK (x > 0)); ALTER TABLE a ADD COLUMN y int CHECK (y > 0);",
  "ALTER TYPE mood ADD VALUE 'glad'; SELECT glad, m = 'sad' FROM t;",
  "CREATE TYPE mood AS ENUM ('sad'); ALTER TYPE mood ADD VALUE 'glad'; SELECT 'glad'::mood;",
  "ALTER TYPE mood RENAME VALUE 'sad' TO 'glad'; UPDATE t SET m = 'glad' WHERE id = 1;",
  `${NO_TRANSACTION}ALTER TYPE mood ADD VALUE 'glad'; UPDATE t SET m = 'glad' WHERE id = 1;`,
  "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (create_slot = false);",
  `${NO_TRANSACTION}VACUUM a;`,
  "ALTER TABLE big ADD COLUMN copy text; ALTER TABLE big RENAME COLUMN copy TO kept; ALTER TABLE big DROP COLUMN kept;",
  "ANALYZE a;",
  "COMMENT ON TABLE a IS 'TRUNCATE me'; INSERT INTO log VALUES ('DROP TABLE x CASCADE');",
];

const found = async (sql: string): Promise<string[]> =>
  places(await lintFiles(up(sql))).map((place) => place.split(" ").slice(0, 2).join(" "));

describe("lint", () => {
  it.each(DANGEROUS)("lint reports the dangerous statement %s", async (sql, ...rules) => {
    expect((await found(sql)).sort()).toEqual(expect.arrayContaining(rules));
  });

  it.each(HARMLESS)("lint does not report the harmless statement %s", async (sql) => {
    expect(await found(sql)).toEqual([]);
  });

  it("lint does not report what a contract migration drops, but other dangers in it", async () => {
    const report = await lintFiles({
      "1_expand.sql": "ALTER TABLE a ADD COLUMN x int;\n-- Down Migration\nSELECT 1;",
      "2_contract.sql":
        "-- migrate: contract after 1_expand\nALTER TABLE a DROP COLUMN y; DROP TABLE b; DROP TABLE c CASCADE;\n-- Down Migration\nSELECT 1;",
    });
    expect(places(report)).toEqual(["error drop-cascade 2_contract.sql:2:44"]);
  });

  it("lint reports an empty up and an empty down", async () => {
    const report = await lintFiles({
      "1_empty.sql": "-- Up Migration\n-- CREATE TABLE a ();\n-- Down Migration\n-- DROP TABLE a;\n",
      "2_down.ts":
        "export const up = (pgm: any) => pgm.createTable('b', { id: 'id' }); export const down = () => {};",
      "3_default.ts":
        "export const up = (pgm: any) => pgm.createTable('c', { at: { type: 'timestamp', default: 'now()' } });",
      "4_call.ts":
        "export const up = (pgm: any) => pgm.createTable('d', { at: { type: 'timestamp', default: pgm.func('now()') } });",
    });
    expect(places(report)).toEqual([
      "warning empty-up 1_empty.sql",
      "warning empty-down 2_down.ts",
      "error default-is-text 3_default.ts",
    ]);
  });

  it("lint does not report instant changes of a type known from the migrations or the database", async () => {
    const types = [
      "CREATE TABLE old (a varchar(50), b varchar(50), c varchar, d numeric(10, 2), e timestamp(3), f int, g text, h timestamp,",
      "i timestamp, j timestamp UNIQUE, k timestamp, l timestamp, PRIMARY KEY (k)); CREATE INDEX ON old (l, f);",
      "-- Down Migration\nDROP TABLE old;",
    ].join("\n");
    const change = (column: string, type: string) => `ALTER TABLE old ALTER COLUMN ${column} TYPE ${type};\n`;
    const instant = [
      change("a", "varchar(100)"),
      change("a", "text"),
      change("b", "text USING b::text"),
      change("c", "text"),
      change("d", "numeric(12,2)"),
      change("e", "timestamp(6)"),
      change("g", "varchar"),
      change("h", "timestamptz USING h"),
      "ALTER TABLE old RENAME COLUMN i TO late; ALTER TABLE old RENAME TO older; ALTER TABLE older ALTER late TYPE timestamptz; ALTER TABLE older RENAME TO old;\n",
    ];
    const slow = [
      change("b", "varchar(10)"),
      change("d", "numeric(12,4)"),
      change("f", "bigint"),
      change("c", "varchar(20)"),
      change("e", "timestamptz(3)"),
      change("j", "timestamptz"),
      change("k", "timestamptz"),
      change("l", "timestamptz"),
      change("h", "timestamp USING h AT TIME ZONE 'UTC'"),
      change("unknown", "text"),
    ];
    const down = "-- Down Migration\nSELECT 1;";
    const report = await lintFiles({
      "1_a.sql": types,
      "2_b.sql": instant.join("") + down,
      "3_c.sql": slow.join("") + down,
    });
    const changes = places(report).filter((place) => place.includes("changing-column-type"));
    expect(changes.map((place) => place.replace(/:\d+$/, ""))).toEqual(
      slow.map((_, index) => `error changing-column-type 3_c.sql:${index + 1}`),
    );
  });

  it("lint does not take a CTE for a table, and lets a down drop what its up creates or renames", async () => {
    const report = await lintFiles({
      "1_a.sql":
        "WITH ins AS (SELECT 1 AS x) INSERT INTO t SELECT x FROM ins; ALTER TABLE a ADD COLUMN x int;\n-- Down Migration\nSELECT 1;",
      "2_b.sql":
        "CREATE TABLE IF NOT EXISTS a (); CREATE TABLE IF NOT EXISTS b (); CREATE TABLE IF NOT EXISTS c ();\n-- Down Migration\nDROP TABLE c; DROP TABLE b; DROP TABLE a;",
      "3_c.sql":
        "ALTER TABLE t ALTER COLUMN x SET DEFAULT 1;\n-- Down Migration\nALTER TABLE t RENAME COLUMN x TO x_old; ALTER TABLE t ADD COLUMN x int; UPDATE t SET x = x_old; ALTER TABLE t DROP COLUMN x_old;",
    });
    expect(places(report)).toEqual([]);
  });
});
