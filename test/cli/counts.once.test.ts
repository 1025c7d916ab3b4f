import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { environmentOf, jsonOf, runCommand, writeProject } from "./command.ts";

const table = (name: string) => `CREATE TABLE ${name} ();\n-- Down Migration\nDROP TABLE ${name};`;
const NAMES = ["1795891676540_a", "1795891676541_b", "1795891676542_c"];
const PROJECT = writeProject({
  "1795891676540_a.sql": table("a"),
  "1795891676541_b.sql": table("b"),
  "1795891676542_c.sql": table("c"),
});

const withApplied = (test: (db: TestDatabase) => Promise<void>) =>
  withDatabase(async (db) => {
    await runCommand(PROJECT, ["up"], environmentOf(db.connection));
    await test(db);
  });

describe("a count that is too large", () => {
  it.each([
    [
      "down",
      "1795891676541",
      "Did you mean --to 1795891676541_b, which undoes what was applied after that one?",
    ],
    ["down", "99", "Give a number that is not above it"],
    ["redo", "5", "Give a number that is not above it"],
    ["redo", "1795891676542", "Did you mean --to 1795891676542_c"],
  ])("a count that is too large is a usage error and undoes nothing: %s %s", (command, count, hint) =>
    withApplied(async (db) => {
      const { code, stderr } = await runCommand(PROJECT, [command, count], environmentOf(db.connection));
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining(`the count is ${count}, but there are only 3 migrations applied`),
      });
      expect(stderr.replace(/\s+/g, " ")).toContain(hint);
      expect(await appliedNames(db)).toEqual(NAMES);
    }),
  );

  it("plan --down, dry runs and --fake refuse a count that is too large too", () =>
    withApplied(async (db) => {
      for (const args of [
        ["plan", "--down", "4"],
        ["down", "--dry-run", "4"],
        ["down", "--fake", "4"],
      ]) {
        const outcome = await runCommand(PROJECT, [...args, "--json"], environmentOf(db.connection));
        expect(outcome.code).toBe(2);
        expect(jsonOf(outcome)).toMatchObject({ ok: false, error: { code: "USAGE" } });
      }
      expect(await appliedNames(db)).toEqual(NAMES);
    }));
});

it("up refuses a timestamp as a count and applies nothing", () =>
  withDatabase(async (db) => {
    const { code, stderr } = await runCommand(PROJECT, ["up", "1795891676540"], environmentOf(db.connection));
    expect(code).toBe(2);
    expect(stderr).toContain("--to 1795891676540_a");
    expect(await db.query("SELECT to_regclass('pgmigrations') AS made")).toEqual([{ made: null }]);
  }));

it("up applies everything pending if a plain number is larger", () =>
  withDatabase(async (db) => {
    expect((await runCommand(PROJECT, ["up", "99"], environmentOf(db.connection))).code).toBe(0);
    expect(await appliedNames(db)).toEqual(NAMES);
  }));

it("up -s takes one schema, and the number after it is the count", () =>
  withDatabase(async (db) => {
    const args = ["up", "--create-schema", "-s", "app", "-s", "other", "1"];
    expect((await runCommand(PROJECT, args, environmentOf(db.connection))).code).toBe(0);
    const schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('app', 'other', '1') ORDER BY 1";
    expect(await db.query(schemas)).toEqual([{ nspname: "app" }, { nspname: "other" }]);
    expect(await db.query("SELECT name FROM app.pgmigrations")).toEqual([{ name: NAMES[0] }]);
  }));
