import { describe, expect, it } from "@jest/globals";
import { openMigrator } from "../../lib/client/index.ts";
import type { RunEvent } from "../../lib/core/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf } from "../support/migrator.ts";

const TWO = {
  "1_a.sql": "-- Up Migration\nCREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;",
  "2_b.sql": "-- Up Migration\nCREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;",
};

describe("a program opens a migrator", () => {
  it("a migrator applies, undoes and redoes what the input names, and is told what happens", () =>
    withDatabase(async ({ connection, ...db }) => {
      const events: RunEvent[] = [];
      const migrator = await openMigrator({
        database: connection,
        migrationsDir: writeFolder(TWO),
        observe: (event) => events.push(event),
      });
      expect(await migrator.up({ to: "1_a" })).toMatchObject({ head: "1_a", pending: ["2_b"] });
      expect(await migrator.up()).toMatchObject({ head: "2_b", pending: [] });
      expect(await migrator.redo({ count: 2 })).toMatchObject({ head: "2_b" });
      expect(await migrator.down({ to: "1_a" })).toMatchObject({ head: "1_a" });
      expect(await migrator.up({ fake: true })).toMatchObject({ head: "2_b" });
      expect(await db.query("SELECT to_regclass('b') AS b")).toEqual([{ b: null }]);
      expect(await migrator.down({ fake: true })).toMatchObject({ head: "1_a" });
      expect(events.filter(({ type }) => type === "finished")).toHaveLength(9);
    }));

  it("a migrator takes a URL, and never shows it in an error", () =>
    withDatabase(async ({ connection: { user, password, host, port, database } }) => {
      const url = `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
      const migrationsDir = writeFolder(TWO);
      expect(await (await openMigrator({ database: url, migrationsDir })).status()).toMatchObject({
        head: null,
      });
      const error = await failureOf(openMigrator({ database: `${url}&nonsense=1`, migrationsDir }));
      expect(error).toMatchObject({
        code: "USAGE",
        message: expect.stringMatching(/^the option database has a parameter/),
      });
      expect(JSON.stringify(error.details) + error.message).not.toContain(password);
    }));

  it("a migrator records who runs it, from where, and which version", () =>
    withDatabase(async ({ connection }) => {
      const migrator = await openMigrator({
        database: connection,
        migrationsDir: writeFolder(TWO),
        actor: "release-bot",
        revision: "v1.2.3",
      });
      await migrator.up();
      const { entries } = await migrator.history({ limit: 1 });
      expect(entries).toMatchObject([
        { migration: "2_b", actor: "release-bot", revision: "v1.2.3", origin: "command" },
      ]);
    }));

  it("a migrator shows the SQL of both directions and masks passwords in it", () =>
    withDatabase(async ({ connection }) => {
      const dir = writeFolder(TWO);
      const migrator = await openMigrator({ database: connection, migrationsDir: dir });
      await migrator.up();
      addFiles(dir, { "3_c.sql": "CREATE ROLE somebody PASSWORD 'hunter2';" });
      const later = await openMigrator({ database: connection, migrationsDir: dir });
      expect(JSON.stringify(await later.plan())).not.toContain("hunter2");
      expect(await later.plan({ down: true, count: 2 })).toMatchObject({
        steps: [{ sql: ["DROP TABLE b;"] }, { sql: ["DROP TABLE a;"] }],
      });
    }));

  it("a migrator settles what a person decided: baseline, repair, resolve", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const open = () => openMigrator({ database: db.connection, migrationsDir: dir });
      await db.query("CREATE TABLE a (id int)");
      expect(await (await open()).baseline("1_a", "made by hand")).toMatchObject({ migrations: ["1_a"] });
      await (await open()).up();
      addFiles(dir, { "2_b.sql": "CREATE TABLE b (id bigint);" });
      expect(await failureOf((await open()).up())).toMatchObject({ code: "CHANGED" });
      expect(await (await open()).repair(["2_b"], "wider")).toMatchObject({ migrations: ["2_b"] });
      addFiles(dir, { "3_c.sql": "-- migrate: no-transaction\nCREATE TABLE c (id int);\nSELECT 1 / 0;" });
      expect(await failureOf((await open()).up())).toMatchObject({ details: { partial: 1 } });
      expect(await (await open()).resolve("3_c", "applied")).toMatchObject({
        migrations: ["3_c"],
        head: "3_c",
      });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));

  it("a migrator ends rolled back and unlocked when its signal is aborted", () =>
    withDatabase(async ({ connection, ...db }) => {
      const controller = new AbortController();
      const migrator = await openMigrator({
        database: connection,
        migrationsDir: writeFolder({ "1_a.sql": "CREATE TABLE a (id int); SELECT pg_sleep(60);" }),
        observe: ({ type }) => type === "started" && setTimeout(() => controller.abort(), 200),
        signal: controller.signal,
      });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "CANCELLED" });
      expect(await db.query("SELECT to_regclass('a') AS a")).toEqual([{ a: null }]);
    }));

  it("a migrator refuses a folder that does not exist and invalid options", async () => {
    expect(await failureOf(openMigrator({ migrationsDir: "no-such-folder" }))).toMatchObject({
      code: "USAGE",
    });
    const lockTimeoutMs = -1;
    expect(await failureOf(openMigrator({ migrationsDir: writeFolder(TWO), lockTimeoutMs }))).toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("lockTimeoutMs"),
    });
  });
});
