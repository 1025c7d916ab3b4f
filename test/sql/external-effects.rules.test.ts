import { describe, expect, test } from "@jest/globals";
import { findExternalEffect } from "../../lib/sql/external-effects.ts";

const OUTSIDE: readonly string[] = [
  "CREATE ROLE a",
  "create user a",
  "CREATE GROUP a",
  "ALTER ROLE ALL SET work_mem = '1MB'",
  "DROP USER IF EXISTS a",
  "/* x */ ALTER -- y\n GROUP g ADD USER u",
  "GRANT a TO b",
  "GRANT a, c TO b WITH ADMIN OPTION",
  "REVOKE ADMIN OPTION FOR a FROM b",
  "GRANT CONNECT ON DATABASE d TO a",
  "REVOKE ALL ON TABLESPACE t FROM a",
  "GRANT SET ON PARAMETER work_mem TO a",
  "CREATE DATABASE d",
  "ALTER DATABASE d SET search_path = x",
  "DROP DATABASE d",
  "CREATE TABLESPACE t LOCATION '/x'",
  "ALTER SYSTEM SET work_mem = '1MB'",
  "REASSIGN OWNED BY a TO b",
  "DROP OWNED BY a",
  "COMMENT ON ROLE a IS 'x'",
  "COMMENT ON DATABASE a IS 'x'",
  "SECURITY LABEL FOR p ON ROLE a IS 'x'",
  "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
  "DROP SUBSCRIPTION s",
  "IMPORT FOREIGN SCHEMA x FROM SERVER s INTO y",
  "COPY t TO '/tmp/x'",
  "COPY t FROM PROGRAM 'x'",
  "SELECT dblink_exec('x', 'y')",
  "SELECT * FROM public.dblink('x', 'y') AS t (a int)",
  "SELECT pg_catalog.pg_terminate_backend(1)",
  'SELECT "pg_reload_conf"()',
  "INSERT INTO t SELECT lo_export(1, '/x')",
  "CREATE TABLE t AS SELECT dblink_exec('x', 'y')",
  "CREATE TABLE t (a bool DEFAULT pg_reload_conf())",
  "CREATE MATERIALIZED VIEW v AS SELECT lo_export(1, '/x')",
  "CREATE OR REPLACE VIEW app.v AS SELECT pg_reload_conf(); SELECT * FROM app.v",
  "CREATE VIEW v AS SELECT pg_reload_conf(); CREATE TABLE t AS TABLE v",
  "CREATE INDEX ON t ((dblink_exec('x', a)))",
  "ALTER TABLE t ADD a bool DEFAULT pg_reload_conf()",
  "EXPLAIN ANALYZE SELECT pg_reload_conf()",
  "PREPARE p AS SELECT dblink_exec('x', 'y')",
  "DECLARE c CURSOR FOR SELECT pg_reload_conf()",
  "DO $$ BEGIN PERFORM pg_reload_conf(); END $$",
  "DO LANGUAGE plpgsql 'BEGIN EXECUTE ''SELECT pg_reload_conf()''; END'",
  "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT pg_reload_conf()'; SELECT 1; SELECT f()",
  "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM dblink_exec('x', 'y'); END $$; CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()",
  "CREATE FOREIGN TABLE IF NOT EXISTS s.far (a int) SERVER x; INSERT INTO s.far VALUES (1)",
];

const INSIDE: readonly string[] = [
  "",
  "-- CREATE ROLE a",
  "CREATE USER MAPPING FOR a SERVER s",
  "DROP USER MAPPING FOR a SERVER s",
  "GRANT SELECT ON t TO a",
  "GRANT USAGE ON SCHEMA s TO a",
  "GRANT ALL ON FUNCTION f() TO a",
  "REVOKE ALL ON ALL TABLES IN SCHEMA s FROM a",
  "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b",
  "COMMENT ON TABLE database IS 'CREATE ROLE'",
  "COMMENT ON COLUMN t.role IS 'x'",
  'CREATE TABLE "user" (role text)',
  "SET ROLE a",
  "SELECT 'dblink_exec(1)'",
  "CREATE VIEW v AS SELECT pg_reload_conf(); SELECT * FROM w",
  "INSERT INTO log VALUES ('SELECT pg_reload_conf()')",
  "COPY t FROM STDIN",
  "COPY t FROM '/x'",
  "CREATE TABLE copy_to (x text)",
  "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT pg_reload_conf()'",
  "ALTER TABLE t OWNER TO a",
  "CREATE SCHEMA s AUTHORIZATION a",
  "DROP FUNCTION pg_reload_conf_safe()",
  "SELECT http FROM t",
  "CREATE SERVER s FOREIGN DATA WRAPPER w",
  "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET x = 1', current_database()); END $$",
  "SELECT pg_notify('a', 'b')",
  "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
  "CREATE TABLE t (a int) TABLESPACE x",
];

describe("findExternalEffect", () => {
  test.each(OUTSIDE)("an effect outside the database is found: %s", (sql) => {
    expect(findExternalEffect(sql)).toEqual(expect.any(String));
  });

  test.each(INSIDE)("no effect outside the database is found: %s", (sql) => {
    expect(findExternalEffect(sql)).toBeUndefined();
  });

  test("functions with external effects are remembered across texts", () => {
    const names = new Set<string>();
    findExternalEffect(
      "CREATE OR REPLACE FUNCTION app.Stop(a int) RETURNS void LANGUAGE sql AS 'SELECT pg_reload_conf()'",
      names,
    );
    expect(findExternalEffect("SELECT app.stop(1)", names)).toBe("stop()");
    expect(findExternalEffect("DROP FUNCTION app.stop(int)", names)).toBeUndefined();
  });
});
