import { describe, expect, it } from "@jest/globals";
import { isConcurrent, mayLeaveResidue, transactionControl } from "../../lib/sql/classify.ts";

const RESIDUE = [
  "CREATE INDEX CONCURRENTLY i ON t (a)",
  "create /* really */ unique -- yes\nindex concurrently if not exists i on t (a)",
  "CREATE INDEX CONCURRENTLY ON t (a)",
  "DROP INDEX CONCURRENTLY IF EXISTS i, j",
  "REINDEX INDEX CONCURRENTLY i",
  "REINDEX (VERBOSE, CONCURRENTLY) TABLE t",
  "REINDEX TABLE partitioned",
  "REINDEX SCHEMA s",
  'ALTER TABLE IF EXISTS a."b c" DETACH PARTITION d.e CONCURRENTLY;',
  "CALL p()",
  "DO $$ BEGIN END $$",
  "DO LANGUAGE plpgsql 'BEGIN END'",
  "CREATE DATABASE d",
  "DROP DATABASE IF EXISTS d WITH (FORCE)",
  "ALTER DATABASE d SET TABLESPACE s",
  "CREATE TABLESPACE s LOCATION '/s'",
  "DROP TABLESPACE s",
  "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
  "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
  "DROP SUBSCRIPTION s",
  "SELECT 1; CALL p()",
  "-- VACUUM\n; CALL p()",
];

const ATOMIC = [
  "",
  "-- CALL p()",
  "SELECT 1",
  "SELECT 'CREATE INDEX CONCURRENTLY i'",
  "CREATE INDEX i ON t (a)",
  'CREATE INDEX "concurrently" ON t (a)',
  "CREATE INDEX i ON t (concurrently(a))",
  "CREATE INDEX /* CONCURRENTLY */ i ON t (a)",
  "DROP INDEX i",
  "CREATE TABLE call (do int)",
  "ALTER TABLE t DETACH PARTITION u",
  "ALTER TABLE t DETACH PARTITION u FINALIZE",
  "ALTER TABLE t ATTACH PARTITION u DEFAULT",
  "ALTER TABLE t ALTER a TYPE concurrently",
  "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
  "ALTER DATABASE d SET work_mem = '1MB'",
  "ALTER DATABASE set RENAME TO tablespace",
  "ALTER TYPE t ADD VALUE 'a'",
  "ALTER SYSTEM SET work_mem = '1MB'",
  "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
  "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
  "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
  '"call" p()',
  "EXPLAIN SELECT 1",
  "VACUUM",
  "ANALYZE t, u",
  "CLUSTER",
  "TRUNCATE t",
  "BEGIN",
];

const CONTROL: readonly (readonly [string, ReturnType<typeof transactionControl>])[] = [
  ["BEGIN", "begin"],
  ["begin;", "begin"],
  ["/* a */ Begin -- b\n TRANSACTION ISOLATION LEVEL SERIALIZABLE", "begin"],
  ["START TRANSACTION READ ONLY", "begin"],
  ["COMMIT", "commit"],
  ["COMMIT WORK AND CHAIN", "commit"],
  ["END", "commit"],
  ["end transaction", "commit"],
  ["PREPARE TRANSACTION 'a'", "commit"],
  ["ROLLBACK", "rollback"],
  ["ROLLBACK WORK AND NO CHAIN", "rollback"],
  ["rollback transaction", "rollback"],
  ["ABORT", "rollback"],
  ["ABORT AND CHAIN", "rollback"],
  ["ROLLBACK TO a", undefined],
  ["ROLLBACK TO SAVEPOINT a", undefined],
  ["rollback work to savepoint a", undefined],
  ["ROLLBACK TRANSACTION /* a */ TO a", undefined],
  ["COMMIT PREPARED 'a'", undefined],
  ["ROLLBACK PREPARED 'a'", undefined],
  ["SAVEPOINT commit", undefined],
  ["RELEASE SAVEPOINT a", undefined],
  ["PREPARE transaction_a AS SELECT 1", undefined],
  ["SET TRANSACTION READ ONLY", undefined],
  ["DO $$ BEGIN COMMIT; END $$", undefined],
  ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", undefined],
  ['"begin"', undefined],
  ["beginning", undefined],
  ["ROLLBAC\u212a", undefined],
  ["", undefined],
  ["-- BEGIN", undefined],
];

describe("mayLeaveResidue", () => {
  it.each(RESIDUE)("%j may leave residue", (sql) => {
    expect(mayLeaveResidue(sql)).toBe(true);
  });

  it.each(ATOMIC)("%j leaves no residue", (sql) => {
    expect(mayLeaveResidue(sql)).toBe(false);
  });
});

describe("transactionControl", () => {
  it.each(CONTROL)("the transaction control of %j is %j", (sql, expected) => {
    expect(transactionControl(sql)).toBe(expected);
  });
});

describe("a statement that works beside others", () => {
  it.each([
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "create /* really */ unique -- yes\nindex concurrently if not exists i on t (a);",
    "DROP INDEX CONCURRENTLY IF EXISTS i",
    "REINDEX INDEX CONCURRENTLY i",
    "REINDEX (CONCURRENTLY, VERBOSE) TABLE t",
    "REINDEX (CONCURRENTLY true) TABLE t",
    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v WITH DATA",
  ])("the concurrent statement is recognised: %s", (sql) => {
    expect(isConcurrent(sql)).toBe(true);
  });

  it.each([
    "",
    "CREATE INDEX i ON t (a)",
    'CREATE INDEX "concurrently" ON t (a)',
    "REINDEX (CONCURRENTLY false) TABLE t",
    "REINDEX (CONCURRENTLY off, VERBOSE) TABLE t",
    "REINDEX TABLE t",
    "ALTER TABLE t DETACH PARTITION p",
    "ALTER TABLE t DETACH PARTITION p FINALIZE",
    "REFRESH MATERIALIZED VIEW v",
    "SELECT 'CREATE INDEX CONCURRENTLY'",
    "CREATE INDEX CONCURRENTLY i ON t (a); DROP TABLE t",
  ])("no concurrent statement is seen in %s", (sql) => {
    expect(isConcurrent(sql)).toBe(false);
  });
});
