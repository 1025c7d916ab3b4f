import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { MIGRATION_LOCK_ID } from "../../lib/core/index.ts";
import { createDatabase, withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { addMigrations, environmentOf, runCommand, startCommand, until } from "./command.ts";
import { statesOf } from "./import-history.ts";
import {
  CREATE_A,
  CREATE_B,
  type Files,
  FLYWAY_TABLE,
  flywayRow,
  migrationsOf,
  withProject,
} from "./import-project.ts";

describe("import", () => {
  const flyway = (files: Files) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`sql/${name}`, text]));
  const FROM_FLYWAY = ["import", "--from", "flyway", "--source", "sql"] as const;

  it("import refuses a tool that it does not know, and none, with a list of those that it knows", () =>
    withProject({ files: { "sql/V1__a.sql": CREATE_A } }, async (run) => {
      const unknown = await run("import", "--from", "evolve");
      expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("golang-migrate") });
      const none = await run("import");
      expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--from is not given") });
    }));

  it("import refuses a folder that does not exist, or that has no migration of the tool", () =>
    withProject({ files: { "sql/notes.txt": "" }, sql: FLYWAY_TABLE }, async (run) => {
      const missing = await run("import", "--from", "flyway");
      expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("no such folder") });
      const file = await run("import", "--from", "flyway", "--source", "sql/notes.txt");
      expect(file).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("this is a file, not a folder"),
      });
      const empty = await run(...FROM_FLYWAY);
      expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining("no migration of Flyway in") });
    }));

  it("import refuses the folder of the new migrations as the source", () =>
    withProject({ files: { "migrations/1_a.js": "" } }, async (run) => {
      const { code, stderr } = await run("import", "--from", "knex");
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("--migrations-dir"),
      });
    }));

  it("import refuses a database without the tool's table, and one where another tool has a table of that name", () =>
    withProject(
      { files: { "db/migrations/1_a.sql": `-- migrate:up\n${CREATE_A}` } },
      async (run, _project, db) => {
        const none = await run("import", "--from", "dbmate");
        expect(none).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("no table schema_migrations"),
        });
        await db.query("CREATE TABLE schema_migrations (version bigint, dirty boolean)");
        const other = await run("import", "--from", "dbmate");
        expect(other).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("its column dirty is that of golang-migrate"),
        });
      },
    ));

  it("import asks which table is meant when two schemas have one, and takes the named one", () =>
    withProject(
      {
        files: { "db/migrations/1_a.sql": `-- migrate:up\n${CREATE_A}` },
        sql: `CREATE SCHEMA "o""ther"; CREATE TABLE schema_migrations (version text); CREATE TABLE "o""ther".schema_migrations (version text)`,
      },
      async (run) => {
        const asked = await run("import", "--from", "dbmate");
        expect(asked).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("several tables may be that of dbmate"),
        });
        const named = await run("import", "--from", "dbmate", "--table", 'o"ther.schema_migrations');
        expect(named).toMatchObject({ code: 0, stderr: "" });
      },
    ));

  it("import refuses a migration that the other tool left partial, and writes nothing", () =>
    withProject(
      {
        files: flyway({ "V1__a.sql": CREATE_A }),
        sql: `${FLYWAY_TABLE}${flywayRow(1, "1", "a", { success: false })}`,
      },
      async (run, project) => {
        const { code, stderr } = await run(...FROM_FLYWAY);
        expect(code).toBe(1);
        expect(stderr).toContain("Error PARTIAL");
        expect(stderr).toContain("V1__x.sql failed or did not finish");
        expect(readdirSync(project)).not.toContain("migrations");
      },
    ));

  it("import records nothing if the tool's table changes while another run has the lock", () =>
    withProject(
      {
        files: flyway({ "V1__a.sql": CREATE_A, "V2__b.sql": CREATE_B }),
        sql: `${FLYWAY_TABLE}${flywayRow(1, "1", "a")}`,
      },
      async (run, project, db) => {
        const holder = await db.client();
        await holder.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK_ID})`);
        const running = startCommand(project, FROM_FLYWAY, environmentOf(db.connection));
        await until(() => running.output().includes("for another run to finish"), "the wait");
        await db.query(flywayRow(2, "2", "b"));
        await holder.query(`SELECT pg_advisory_unlock(${MIGRATION_LOCK_ID})`);
        const { code, stderr } = await running.ended;
        expect(code).toBe(1);
        expect(stderr).toContain("Error LOCK_HELD");
        expect(stderr).toContain("public.flyway_schema_history, the table of Flyway, has changed");
        expect(await statesOf(run)).toEqual({ "1_a": "pending", "2_b": "pending" });

        expect(await run(...FROM_FLYWAY)).toMatchObject({ code: 0, stderr: "" });
        expect(await statesOf(run)).toEqual({ "1_a": "applied", "2_b": "applied" });
      },
    ));

  it("import refuses the dirty version of golang-migrate", () =>
    withProject(
      {
        files: { "db/migrations/1_a.up.sql": CREATE_A },
        sql: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (1, true)",
      },
      async (run) => {
        const { code, stderr } = await run("import", "--from", "golang-migrate");
        expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("Error PARTIAL") });
      },
    ));

  it("import refuses an applied version that has no file", () =>
    withProject(
      { files: flyway({ "V2__b.sql": CREATE_B }), sql: `${FLYWAY_TABLE}${flywayRow(1, "1", "a")}` },
      async (run) => {
        const { code, stderr } = await run(...FROM_FLYWAY);
        expect(code).toBe(1);
        expect(stderr).toContain("Error MISSING");
        expect(stderr).toContain("applied migrations that have no file: 1");
      },
    ));

  it("import refuses a database in which migrations of this tool are applied", () =>
    withProject(
      { files: { ...flyway({ "V1__a.sql": CREATE_A }), "migrations/1_z.sql": "CREATE TABLE z ();" } },
      async (run, _project, db) => {
        await run("up");
        await db.query(FLYWAY_TABLE);
        const { code, stderr } = await run(...FROM_FLYWAY);
        expect({ code, stderr }).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("1 migration is applied to this database already"),
        });
      },
    ));

  it("import keeps a file that exists, and counts it as the converted one", () =>
    withProject(
      {
        files: {
          ...flyway({ "V1__a.sql": CREATE_A }),
          "migrations/1_a.sql": "-- by hand\nCREATE TABLE a ();",
        },
        sql: `${FLYWAY_TABLE}${flywayRow(1, "1", "a")}`,
      },
      async (run, project) => {
        expect((await run(...FROM_FLYWAY)).stdout).toContain("(exists already, kept)");
        expect(migrationsOf(project)).toEqual({ "1_a.sql": "-- by hand\nCREATE TABLE a ();" });
        expect(await statesOf(run)).toEqual({ "1_a": "applied" });
      },
    ));

  const CODE = {
    "knex/1_a.js": `exports.up = (knex) => knex.schema.createTable("a", (t) => { t.increments(); t.text("name"); });`,
    "knex/2_b.js": `exports.up = (knex) => knex.raw("${CREATE_B}");`,
  };
  const KNEX_TABLES = `CREATE TABLE knex_migrations (id serial PRIMARY KEY, name text);
    CREATE TABLE knex_migrations_lock (index serial PRIMARY KEY, is_locked integer);
    INSERT INTO knex_migrations (name) VALUES ('1_a.js'); CREATE TABLE a (id serial PRIMARY KEY, name text);`;

  it("import refuses code that it cannot convert, names each file, and offers a baseline", () =>
    withProject({ files: CODE, sql: KNEX_TABLES }, async (run, project) => {
      const { code, stderr } = await run("import", "--from", "knex", "--source", "knex");
      expect(code).toBe(1);
      expect(stderr).toContain("Error MIGRATION");
      expect(stderr).toContain("1_a.js: its up does more than send constant SQL");
      expect(stderr).toContain("--baseline");
      expect(readdirSync(project)).not.toContain("migrations");
    }));

  it("import replaces what is applied with one migration of the schema, which makes the same schema elsewhere", () =>
    withProject({ files: CODE, sql: KNEX_TABLES }, async (run, project) => {
      const imported = await run("import", "--from", "knex", "--source", "knex", "--baseline");
      expect(imported).toMatchObject({ code: 0, stderr: "" });
      expect(await statesOf(run)).toEqual({ "1_baseline-from-knex": "applied", "2_b": "pending" });
      expect(migrationsOf(project)["1_baseline-from-knex.sql"]).not.toContain("knex_migrations");
      await run("up");
      await run("dump", "--output", "here.sql");
      await withDatabase(async (fresh) => {
        const elsewhere = environmentOf(fresh.connection);
        expect(await runCommand(project, ["up"], elsewhere)).toMatchObject({ code: 0, stderr: "" });
        await runCommand(project, ["dump", "--output", "there.sql"], elsewhere);
      });
      const [here, there] = ["here", "there"].map((name) =>
        readFileSync(join(project, `${name}.sql`), "utf8").trim(),
      );
      const withoutKnex = here?.split("\n\n").filter((block) => !block.includes("knex_migrations"));
      expect(there?.split("\n\n")).toEqual(withoutKnex);
    }));

  it("import refuses a baseline beside converted files that it stands for", () =>
    withProject({ files: CODE, sql: KNEX_TABLES }, async (run, project) => {
      addMigrations(project, { "1_a.sql": "CREATE TABLE a (id serial PRIMARY KEY, name text);" });
      const { code, stderr } = await run("import", "--from", "knex", "--source", "knex", "--baseline");
      expect(code).toBe(1);
      expect(stderr).toContain(
        "the baseline stands for what the folder has already, converted from knex: 1_a",
      );
      expect(Object.keys(migrationsOf(project))).toEqual(["1_a.sql"]);
    }));

  it("import keeps the baseline for a second database, and says if that one has another schema", () =>
    withProject({ files: CODE, sql: KNEX_TABLES }, async (run, project) => {
      const args = ["import", "--from", "knex", "--source", "knex", "--baseline"];
      await run(...args);
      const written = migrationsOf(project);
      expect(written["1_baseline-from-knex.sql"]).toContain("--   1_a.js\n-- Up Migration\n");
      const importInto = async (sql: string): Promise<string> => {
        const db = await createDatabase();
        await db.query(sql);
        const { stdout } = await runCommand(project, args, environmentOf(db.connection));
        await db.drop();
        return stdout;
      };
      const same = await importInto(KNEX_TABLES);
      const other = await importInto(`${KNEX_TABLES} CREATE TABLE more ();`);
      expect(same).toContain("0 files written to migrations, 1 migration recorded as applied");
      expect(same).not.toContain("Note:");
      expect(other).toContain("1_baseline-from-knex was made from a database with another schema");
      expect(migrationsOf(project)).toEqual(written);
    }));

  it("import refuses a second baseline for a database to which the tool has applied other migrations", () =>
    withProject(
      { files: { ...CODE, "migrations/1_baseline-from-knex.sql": "" }, sql: KNEX_TABLES },
      async (run, _project, db) => {
        await db.query("INSERT INTO knex_migrations (name) VALUES ('2_b.js')");
        const { code, stderr } = await run("import", "--from", "knex", "--source", "knex", "--baseline");
        expect(code).toBe(1);
        expect(stderr).toContain("Error SQUASHED");
        expect(stderr).toContain("here it would be 2_baseline-from-knex");
      },
    ));

  it("import converts files without a database with --files-only, and reports what it cannot", () =>
    withProject({ files: CODE }, async (_run, project) => {
      const { code, stdout } = await runCommand(project, [
        "import",
        "--from",
        "knex",
        "--source",
        "knex",
        "--files-only",
      ]);
      expect(code).toBe(3);
      expect(stdout).toContain("not converted 1_a.js");
      expect(Object.keys(migrationsOf(project))).toEqual(["2_b.sql"]);
      addFiles(project, { "migrations/1_a.sql": CREATE_A });
      const again = await runCommand(project, [
        "import",
        "--from",
        "knex",
        "--source",
        "knex",
        "--files-only",
      ]);
      expect(again.code).toBe(0);
    }));
});
