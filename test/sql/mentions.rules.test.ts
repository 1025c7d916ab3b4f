import { expect, test } from "@jest/globals";
import { mentions, runsOtherCode } from "../../lib/sql/index.ts";

const MENTIONS: readonly (readonly [string, string])[] = [
  ["ALTER TABLE orders ADD a int", "orders"],
  ["ALTER TABLE shop.ORDERS ADD a int", "orders"],
  ['ALTER TABLE "Orders" ADD a int', "Orders"],
  ['ALTER TABLE "a""b" ADD a int', 'a"b'],
  ["CREATE TABLE lines (o int REFERENCES orders)", "orders"],
  ["DO $$ BEGIN EXECUTE 'DROP TABLE orders'; END $$", "orders"],
  ['SELECT lo_unlink(1) FROM "orders"', "orders"],
];

test.each(MENTIONS)("%s names %s", (sql, name) => {
  expect(mentions(sql, name)).toBe(true);
});

const OTHERS: readonly (readonly [string, string])[] = [
  ["ALTER TABLE orders_old ADD a int", "orders"],
  ["-- about orders\nALTER TABLE lines ADD a int /* of orders */", "orders"],
  ['ALTER TABLE "Orders" ADD a int', "orders"],
  ["ALTER TABLE orders ADD a int", "Orders"],
  ["INSERT INTO lines VALUES ('reorders')", "orders"],
  ["", "orders"],
];

test.each(OTHERS)("%s does not name %s", (sql, name) => {
  expect(mentions(sql, name)).toBe(false);
});

test.each([
  ["DO $$ BEGIN END $$", true],
  ["CREATE TABLE t (); CALL tidy()", true],
  ["SELECT tidy()", true],
  ["ALTER TABLE t ADD a int; INSERT INTO t SELECT 1", false],
  ["-- DO nothing\nCREATE TABLE t ()", false],
])("whether %s runs code that is not in it is %s", (sql, expected) => {
  expect(runsOtherCode(sql)).toBe(expected);
});
