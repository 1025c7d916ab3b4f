import { describe, expect, it } from "@jest/globals";
import { type MigratorSettings, openMigrator } from "../../lib/client/index.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf } from "../support/migrator.ts";

/** Nothing answers there: what is refused is refused before anything connects. */
const database = "postgres://nobody@127.0.0.1:1/none?sslmode=disable";
const migrationsDir = writeFolder({ "1_a.sql": "SELECT 1;" });

/** As JavaScript, which checks no names. */
const open = (more: object) =>
  openMigrator(Object.assign<MigratorSettings, object>({ database, migrationsDir }, more));

describe("options of a program", () => {
  it.each([
    ["lockTimeout", "lockTimeoutMs"],
    ["maxLock", "maxLockMs"],
    ["migrationDir", "migrationsDir"],
    ["migrations_dir", "migrationsDir"],
    ["databaseUrl", "database"],
    ["Schema", "schema"],
    ["schemas", "schema"],
  ])("openMigrator refuses the unknown option %s and names %s", async (unknown, meant) => {
    const error = await failureOf(open({ [unknown]: 1 }));
    expect(error).toMatchObject({ code: "USAGE", message: `openMigrator has no option "${unknown}"` });
    expect(String(error.details.hint)).toBe(`Did you mean ${meant}?`);
  });

  it("openMigrator lists its options when an unknown one is like none of them", async () => {
    const error = await failureOf(open({ verbose: true }));
    expect(String(error.details.hint)).toMatch(
      /^The options are database, migrationsDir, .*lockTimeoutMs.*\.$/,
    );
  });

  it.each([
    ["up", { dryRun: true }, /^The options are count, to, /],
    ["up", { counts: 1 }, /Did you mean count\?/],
    ["down", { contract: "1_a" }, /^The options are count, /],
    ["redo", { to: "1_a" }, /^The options are count, /],
    ["measure", { maxLock: 1 }, /maxLockMs/],
    ["plan", { down: true, contract: "1_a" }, /^The options are down, /],
    ["plan", { fake: true }, /^The options are /],
    ["history", { migrations: "1_a" }, /Did you mean migration\?/],
  ] as const)("the method %s refuses %j and runs nothing", async (method, input, hint) => {
    const migrator = await open({});
    const called: unknown = Reflect.apply(migrator[method], migrator, [input]);
    const error = await failureOf(Promise.resolve(called));
    expect(error.code).toBe("USAGE");
    expect(error.message).toMatch(new RegExp(`^${method}( of (up|down))? has no option "`));
    expect(String(error.details.hint)).toMatch(hint);
  });
});
