import { expect, test } from "@jest/globals";
import { droppedNames } from "../../lib/sql/index.ts";

test.each([
  ["ALTER TABLE a DROP COLUMN b", ["a.b"]],
  ['alter table if exists only app."A b" drop if exists "C", drop d cascade', ["A b.C", "A b.d"]],
  ["ALTER TABLE a RENAME COLUMN b TO c; ALTER TABLE a RENAME d TO e", ["a.b", "a.d"]],
  ["ALTER TABLE app.a RENAME TO b", ["a"]],
  ["DROP TABLE IF EXISTS app.a, b CASCADE; DROP VIEW c; DROP MATERIALIZED VIEW d", ["a", "b", "c", "d"]],
  ["ALTER TABLE a DROP CONSTRAINT b, ALTER COLUMN c DROP NOT NULL, ALTER d DROP DEFAULT", []],
  ["ALTER TABLE a RENAME CONSTRAINT b TO c, ADD CHECK (d IN (1, 2)), DROP e", ["a.e"]],
  ["-- DROP TABLE a\nSELECT 'DROP TABLE b'; CREATE TABLE c (); DROP INDEX d", []],
  ["ALTER TABLE", []],
])("%j drops %j", (sql, names) => {
  expect(
    droppedNames(sql).map(({ table, column }) => [table, ...(column ? [column] : [])].join(".")),
  ).toEqual(names);
});
