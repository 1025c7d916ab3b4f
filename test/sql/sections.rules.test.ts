import { describe, expect, it } from "@jest/globals";
import { MigrationError } from "../../lib/core/index.ts";
import { readHalf, readSections } from "../../lib/sql/sections.ts";

const read = (text: string) => {
  const { up, down } = readSections({ path: "/m/1_a.sql", text });
  return [up.text, down?.text] as const;
};

/** Files, and what is in their two sections. */
const CUT: readonly (readonly [text: string, up: string, down: string | undefined])[] = [
  ["A;", "A;", undefined],
  ["-- Up Migration\nA;\n-- Down Migration\nB;\n", "A;", "B;"],
  ["--up migration\r\nA;\r\n ---- DOWN   Migration --\r\nB;", "A;", "B;"],
  ["-- Down Migration\nB;\n-- Up Migration\nA;", "A;", "B;"],
  ["-- Down Migration\nB;", "", "B;"],
  ["A;\n-- Down Migration\nB;", "A;", "B;"],
  ["-- migrate: contract after 0_z\nA;", "-- migrate: contract after 0_z\nA;", undefined],
  ["A;\n-- Down Migration\n", "A;", ""],
  ["H;\n-- Up Migration\nA;\n-- Down Migration\nB;", "H;\nA;", "B;"],
  ["H;\n-- Down Migration\nB;\n-- Up Migration\nA;", "H;\nA;", "B;"],
  ["H\n-- Up Migration\nA", "H\n;\nA", undefined],
  ["-- why\n\n-- Up Migration\nA;", "-- why\nA;", undefined],
  ["-- Up Migration: adds a\nA;\n-- Down Migration\nB;", "-- Up Migration: adds a\nA;", "B;"],
  ["-- Up Migration\n-- Up migration of a\nA;", "-- Up migration of a\nA;", undefined],
  ["A;\n-- Down Migration: nothing to do\n", "A;", ""],
  ["-- Up Migration\nA;\n-- Down Migration\n-- down\nB;", "A;", "-- down\nB;"],
  ["SELECT '\n-- Down Migration\n'; B;", "SELECT '\n-- Down Migration\n'; B;", undefined],
  ["DO $$\n-- Up Migration\n$$;", "DO $$\n-- Up Migration\n$$;", undefined],
  ["-- Migration: adds a\nA;", "-- Migration: adds a\nA;", undefined],
  ["-- no transaction is needed here\nA;", "-- no transaction is needed here\nA;", undefined],
  [
    "-- the contract after 2020 is another one\nA;",
    "-- the contract after 2020 is another one\nA;",
    undefined,
  ],
  ["-- migrate users after 2020\nA;", "-- migrate users after 2020\nA;", undefined],
  [
    "-- go down the list, then rollback the rest\nA;",
    "-- go down the list, then rollback the rest\nA;",
    undefined,
  ],
];

/** Files that are refused, and where. */
const REFUSED: readonly (readonly [text: string, line: number, words: RegExp])[] = [
  ["-- Up Migration\nA;\n-- Up Migration\nB;", 3, /second marker .*"up"; the first is in line 1/],
  ["-- Up Migration\nA;\n-- Down Migration\nB;\n-- Up Migration\nC;", 5, /second marker/],
  ["A;\n-- Down Migration\nB;\n-- Down Migration\nC;", 4, /second marker/],
  ["A;\n-- Down migration: there is none, on purpose\nB;", 2, /begins as the marker/],
  ["A;\n-- Up migration, second part\nB;", 2, /begins as the marker/],
  ["A;\n-- Down Migration\nB;\n-- Up migration, the rest\nC;", 4, /begins as the marker/],
  ["A; -- Down Migration\nB;", 1, /behind something else/],
  ["A;\n/*\n-- Down Migration\nB;\n*/", 2, /block comment/],
  ["A;\n/* Down Migration */\nB;", 2, /block comment/],
  ["A;\n-- Down\nB;", 2, /no marker/],
  ["A;\n-- rollback\nB;", 2, /no marker/],
  ["A;\n-- migrate: contract after 0_z\nB;", 2, /contract where it has no effect/],
  ["-- migrate: contract afer 0_z\nA;", 1, /contract where it has no effect/],
  ["A; -- migrate: contract after 0_z\nB;", 1, /behind something else/],
  ["/* migrate: contract after 0_z */\nA;", 1, /block comment/],
  ["-- migrate:up\nA;\n-- migrate:down\nB;", 1, /dbmate/],
  ["-- +goose Up\nA;\n-- +goose Down\nB;", 1, /goose/],
  ["-- +goose StatementBegin\nA;", 1, /goose/],
  ["-- +goose NO TRANSACTION\nA;", 1, /goose/],
  ["A;\n-- +migrate Down\nB;", 2, /sql-migrate/],
  ["--liquibase formatted sql\n--changeset me:1\nA;\n--rollback DROP TABLE a;", 1, /liquibase/],
  ["A;\n--rollback DROP TABLE a;", 2, /liquibase/],
  ["A;\n--//@UNDO\nB;", 2, /DBDeploy/],
  ["-- !Ups\nA;\n-- !Downs\nB;", 1, /Play/],
  ["A;\n---- create above / drop below ----\nB;", 2, /tern/],
  ["-- postgres-migrations disable-transaction\nA;", 1, /postgres-migrations/],
  ["A;\n-- migrate: no-transaction\nB;", 2, /below a statement/],
  ["-- Up Migration\nA;\n-- migrate: no-transaction\nB;", 3, /below a statement/],
  ["A; -- migrate: no-transaction\nB;", 1, /behind something else/],
  ["/* migrate: no-transaction */\nA;", 1, /block comment/],
  ["-- migrate: notransaction\nA;", 1, /not understood/],
  ["-- migrate: no-transction\nA;", 1, /not understood/],
  ["-- migrate: no-transaction, for the index\nA;", 1, /not understood/],
  ["-- no-transaction\nA;", 1, /not understood/],
  ["--! no-transaction\nA;", 1, /not understood/],
  ["-- transaction: false\nA;", 1, /not understood/],
  ["-- migrate: contact after 0_z\nA;", 1, /not understood/],
  ["-- migrations: contract after 0_z\nA;", 1, /not understood/],
  ["-- migrate contract after 0_z\nA;", 1, /not understood/],
  ["-- migrate: after 0_z\nA;", 1, /not understood/],
  ["-- contract after: 0_z\nA;", 1, /not understood/],
];

describe("readSections", () => {
  it.each(CUT)("readSections cuts %j", (text, up, down) => {
    expect(read(text)).toEqual([up, down]);
  });

  it.each(REFUSED)("readSections refuses %j in line %i", (text, line, words) => {
    const error = failure(() => read(text));
    expect(error.code).toBe("MIGRATION");
    expect(error.message).toMatch(new RegExp(`^1_a\\.sql:${line} has .*${words.source}`));
    expect(error.details.hint).toBeDefined();
  });

  it.each([
    ["-- migrate: no-transaction\nA;\n-- Down Migration\nB;", false, false],
    ["--migrate:no-transaction\nA;", false, undefined],
    ["-- Licence\n\n-- migrate: no-transaction\n-- migrate: no-transaction\nA;", false, undefined],
    ["-- Up Migration\n-- migrate: no-transaction\nA;\n-- Down Migration\nB;", false, true],
    ["-- Up Migration\nA;\n-- Down Migration\n-- why\n-- migrate: no-transaction\nB;", true, false],
    ['-- "-- migrate: no-transaction"\n-- Up Migration\nA;', true, undefined],
  ])("readSections applies the directive for no transaction in %j to its section", (text, up, down) => {
    const sections = readSections({ path: "/m/1_a.sql", text });
    expect([sections.up.transactional, sections.down?.transactional]).toEqual([up, down]);
  });
});

describe("readHalf", () => {
  it("readHalf takes a file as a whole, and refuses a section of the other direction", () => {
    const half = (text: string) => readHalf({ path: "/m/1_a.up.sql", text }, "up");
    expect(half("-- Up Migration\nA;").text).toContain("A;");
    expect(half("-- migrate: no-transaction\nA;").transactional).toBe(false);
    const error = failure(() => half("A;\n-- Down Migration\nB;"));
    expect(error.message).toBe('1_a.up.sql:2 has a section "down" and is the up file of a pair');
    expect(error.details.migration).toBe("1_a");
  });
});

function failure(work: () => unknown): MigrationError {
  try {
    work();
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}
