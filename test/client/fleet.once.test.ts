import { expect, it } from "@jest/globals";
import { openFleet } from "../../lib/client/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf } from "../support/migrator.ts";

const TWO = { "1_a.sql": "CREATE TABLE a (id int);", "2_b.sql": "CREATE TABLE b (id int);" };

it("a program migrates a fleet, reads its state, and the history has the origin of a program", () =>
  withDatabase(async (db) => {
    const events: string[] = [];
    const fleet = await openFleet({
      database: db.connection,
      migrationsDir: writeFolder(TWO),
      targets: ["one", { schema: "two", name: "second" }, "three"],
      createSchema: true,
      actor: "release-bot",
      observe: ({ type }) => events.push(type),
    });
    expect(fleet.targets.map(({ name }) => name)).toEqual(["one", "second", "three"]);
    expect((await fleet.plan()).groups).toMatchObject([{ targets: ["one", "second", "three"] }]);
    const report = await fleet.up();
    expect(report).toMatchObject({ ok: true, counts: { done: 3, failed: 0, untouched: 0 }, failed: [] });
    expect((await fleet.status()).versions).toEqual([{ head: "2_b", count: 3, behind: 0 }]);
    expect(await db.query("SELECT DISTINCT actor, origin FROM two.pgmigrations_history")).toEqual([
      { actor: "release-bot", origin: "command" },
    ]);
    expect(events.filter((type) => type === "target-ended")).toHaveLength(9);
  }));

it("all targets get the folder as it was when the first of them read it", () =>
  withDatabase(async (db) => {
    const dir = writeFolder(TWO);
    const fleet = await openFleet({
      database: db.connection,
      migrationsDir: dir,
      targets: ["one", "two"],
      createSchema: true,
      observe: ({ type }) => {
        if (type === "target-ended") addFiles(dir, { "2_b.sql": "CREATE TABLE edited (id int);" });
      },
    });
    expect((await fleet.up()).ok).toBe(true);
    expect(
      await db.query("SELECT to_regclass('two.b')::text AS b, to_regclass('two.edited') AS edited"),
    ).toEqual([{ b: "two.b", edited: null }]);
  }));

it.each([
  [{ targets: [] }, "TARGETS"],
  [{ targets: ["a"], only: ["b"] }, "TARGETS"],
  [{ targets: ["a"], canary: "b" }, "TARGETS"],
  [{ targets: ["a"], migrationsSchema: "public" }, "TARGETS"],
  [{ targets: ["a"], lockWaitMs: -1 }, "USAGE"],
  [{ targets: ["a"], tolerated: 3 }, "USAGE"],
])("a fleet with %j is refused with %s before anything connects", async (settings, code) => {
  const database = "postgres://nobody:secret@localhost:1/none";
  const error = await failureOf(openFleet({ database, migrationsDir: writeFolder(TWO), ...settings }));
  expect(error.code).toBe(code);
});
