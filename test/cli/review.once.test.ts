import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, jsonOf, runCommand, writeProject } from "./command.ts";

const GOOD = { "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;" };
const CARELESS = {
  "2_b.sql": "-- Up Migration\nCREATE INDEX a_i ON a ((1));\n-- Down Migration\nSELECT 1;",
};

type Run = (...args: string[]) => ReturnType<typeof runCommand>;

function withProject(test: (run: Run, project: string, db: TestDatabase) => Promise<void>): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(GOOD);
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

describe("lint", () => {
  it("passes what is fine, fails what is not, and annotates for GitHub", () =>
    withProject(async (run, project) => {
      expect(await run("lint")).toMatchObject({ code: 0 });
      await run("up");
      addMigrations(project, CARELESS);
      const { code, stdout } = await run("lint");
      expect(code).toBe(1);
      expect(stdout).toContain("require-concurrent-index-creation");
      expect((await run("lint", "--format", "github")).stdout).toContain(
        "::error file=migrations/2_b.sql,line=2",
      );
      expect(jsonOf(await run("lint", "--json"))).toMatchObject({ ok: false, command: "lint" });
      expect(await run("lint", "--format", "xml")).toMatchObject({ code: 2 });
    }));
});

describe("lint of a change of type", () => {
  it("asks the database for the type that the column has", () =>
    withProject(async (run, project, db) => {
      await run("up");
      await db.query("ALTER TABLE a ADD COLUMN x varchar(50)");
      const change = (type: string) => ({
        "2_b.sql": `ALTER TABLE a ALTER COLUMN x TYPE ${type};\n-- Down Migration\nSELECT 1;`,
      });
      addMigrations(project, change("varchar(100)"));
      expect(await run("lint")).toMatchObject({ code: 0 });
      addMigrations(project, change("varchar(10)"));
      expect((await run("lint")).stdout).toContain("changing-column-type");
    }));
});

describe("verify", () => {
  it("tells what a careless down leaves behind, and drops its scratch database", () =>
    withProject(async (run, project, db) => {
      expect(await run("verify")).toMatchObject({ code: 0 });
      addMigrations(project, CARELESS);
      const { code, stdout } = await run("verify");
      expect(code).toBe(1);
      expect(stdout).toContain("+ index public.a_i");
      const left = await db.query(
        "SELECT datname FROM pg_database WHERE datname LIKE 'cdk_pg_migrate_scratch%'",
      );
      expect(left).toEqual([]);
    }));
});

describe("dump", () => {
  it("writes the schema; --check notices that it is no longer that", () =>
    withProject(async (run, project) => {
      await run("up");
      expect(await run("dump", "--check")).toMatchObject({ code: 1 });
      expect(await run("dump")).toMatchObject({ code: 0, stdout: "Wrote schema.sql.\n" });
      expect(await run("dump", "--check")).toMatchObject({ code: 0 });
      addMigrations(project, CARELESS);
      await run("up");
      const { code, stdout } = await run("dump", "--check");
      expect(code).toBe(1);
      expect(stdout).toContain("+CREATE INDEX a_i");
    }));
});
