import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import { addMigrations, environmentOf, jsonOf, runCommand, writeProject } from "./command.ts";

const TWO = {
  "1_a.sql": "CREATE TABLE a (\n  id int\n);\n-- Down Migration\nDROP TABLE a;",
  "2_b.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
};
const A_CHANGED = "CREATE TABLE a (\n  id bigint\n);\n-- Down Migration\nDROP TABLE a;";

/** Its second statement fails until one of the two rows is gone. */
const HALF = {
  "1_t.sql": "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1), (1);",
  "2_half.sql":
    "-- migrate: no-transaction\nCREATE TABLE half ();\nCREATE UNIQUE INDEX t_id ON t (id);\nCREATE TABLE whole ();",
  "3_next.sql": "CREATE TABLE next ();",
};

type Run = (...args: string[]) => ReturnType<typeof runCommand>;

function withProject(
  files: Readonly<Record<string, string>>,
  test: (run: Run, project: string, db: TestDatabase) => Promise<void>,
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(files);
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

/** The newest row of the history with this action. */
async function newest(run: Run, action: string): Promise<unknown> {
  const { entries } = jsonOf(await run("history", "--action", action, "--limit", "1", "--json"));
  return Array.isArray(entries) ? entries[0] : undefined;
}

describe("repair", () => {
  it("repair accepts what `up` has refused and shown, and records why", () =>
    withProject(TWO, async (run, project) => {
      await run("up");
      addMigrations(project, { "1_a.sql": A_CHANGED });
      const refused = await run("up");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("Error CHANGED in 1_a");
      expect(refused.stderr).toContain("  1_a: - as applied  + as it is now\n");
      expect(refused.stderr).toContain("    -  id int\n    +  id bigint\n");
      expect(refused.stderr).toContain("Nothing was run.");
      expect(refused.stderr).toContain("npm run migrate:repair accepts");

      expect(await run("repair", "--note", "widened by hand")).toEqual({
        code: 0,
        stdout: expect.stringMatching(/^Database .*\nAccepted as they are now: 1_a\.\n$/),
        stderr: "",
      });
      expect(await newest(run, "repair")).toMatchObject({
        migration: "1_a",
        state: "finished",
        note: "widened by hand",
        origin: "cli",
      });
      expect((await run("up")).stdout).toContain("Nothing to do: all is applied.");
      expect((await run("repair")).stdout).toContain(
        "\nNothing to repair: no applied migration is changed.\n",
      );
    }));

  it("repair accepts only the named migrations, and refuses those that are not changed", () =>
    withProject(TWO, async (run, project) => {
      await run("up");
      addMigrations(project, { "1_a.sql": A_CHANGED, "2_b.sql": "CREATE TABLE c ();" });
      expect(jsonOf(await run("repair", "1_a", "--json"))).toEqual({
        ok: true,
        command: "repair",
        migrations: ["1_a"],
        head: "2_b",
      });
      const { code, stdout } = await run("status", "--check");
      expect([code, stdout]).toEqual([3, expect.stringContaining("changed  2_b")]);
      const again = await run("repair", "1_a");
      expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("1_a is applied, not changed")]);
      const unknown = await run("repair", "nope", "--json");
      expect([unknown.code, jsonOf(unknown)]).toEqual([
        2,
        { ok: false, error: { code: "USAGE", message: expect.stringContaining("nope is not known") } },
      ]);
    }));
});

describe("resolve", () => {
  const stop = async (run: Run) => {
    const { code, stderr } = await run("up");
    expect(code).toBe(1);
    expect(stderr).toContain(
      "Partly applied: 2_half runs outside a transaction; 1 of its 3 statements is done",
    );
    const refused = await run("up");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("Error PARTIAL in 2_half")]);
  };

  it("resolve --retry goes on after the last finished statement", () =>
    withProject(HALF, async (run, _project, db) => {
      await stop(run);
      const tooEarly = await run("resolve", "2_half", "--retry");
      expect([tooEarly.code, tooEarly.stderr]).toEqual([1, expect.stringContaining("SQLSTATE 23505")]);
      expect((await run("status")).stdout).toContain("partial  2_half  1 of 3 statements done");
      await db.query("DELETE FROM t WHERE ctid = '(0,1)'");
      const { code, stdout } = await run("resolve", "2_half", "--retry");
      expect([code, stdout]).toEqual([0, expect.stringContaining("2_half was finished.")]);
      expect(await userTables(db)).toEqual(["half", "t", "whole"]);
      expect((await run("up")).code).toBe(0);
      expect(await appliedNames(db)).toEqual(["1_t", "2_half", "3_next"]);
    }));

  it("resolve --retry records why, as the other outcomes do", () =>
    withProject(HALF, async (run, _project, db) => {
      await stop(run);
      await db.query("DELETE FROM t WHERE ctid = '(0,1)'");
      await run("resolve", "2_half", "--retry", "--note", "a double was deleted");
      expect((await run("history", "--migration", "2_half")).stdout).toContain("a double was deleted");
    }));

  it("resolve --applied takes what was finished by hand as applied", () =>
    withProject(HALF, async (run, _project, db) => {
      await stop(run);
      const { code, stdout } = await run("resolve", "2_half", "--applied", "--note", "by hand");
      expect([code, stdout]).toEqual([0, expect.stringContaining("2_half counts as applied.")]);
      expect(await newest(run, "resolve")).toMatchObject({ migration: "2_half", note: "applied: by hand" });
      expect((await run("up")).code).toBe(0);
      expect(await appliedNames(db)).toEqual(["1_t", "2_half", "3_next"]);
      expect(await userTables(db)).toEqual(["half", "next", "t"]);
    }));

  it("resolve --reverted makes the migration pending again", () =>
    withProject(HALF, async (run, project, db) => {
      await stop(run);
      await db.query("DROP TABLE half");
      expect(jsonOf(await run("resolve", "2_half", "--reverted", "--json"))).toEqual({
        ok: true,
        command: "resolve",
        migrations: ["2_half"],
        head: "1_t",
      });
      expect((await run("status")).stdout).toContain("pending  2_half");
      expect(await newest(run, "resolve")).toMatchObject({ note: "reverted" });
      addMigrations(project, { "2_half.sql": "CREATE TABLE half ();" });
      expect((await run("up")).code).toBe(0);
      expect(await appliedNames(db)).toEqual(["1_t", "2_half", "3_next"]);
    }));

  it("resolve needs one outcome and a migration that stopped part-way, or does nothing", () =>
    withProject(HALF, async (run) => {
      await stop(run);
      const table: [args: string[], said: string][] = [
        [["2_half"], "none of --retry, --applied and --reverted is given"],
        [["2_half", "--retry", "--applied"], "--retry and --applied exclude each other"],
        [["2_half", "--retry", "--applied", "--reverted"], "exclude each other"],
        [["1_t", "--reverted"], "1_t did not stop part-way"],
        [["nope", "--applied"], "nope did not stop part-way"],
        [[], "missing required argument 'migration'"],
        [["2_half", "--finished"], "unknown option '--finished'"],
      ];
      for (const [args, said] of table) {
        const { code, stdout, stderr } = await run("resolve", ...args);
        // The engine refuses some of them only after the database has been named.
        expect(stdout).toMatch(/^(Database .*\n)?$/);
        expect([args, code, stderr]).toEqual([args, 2, expect.stringContaining(said)]);
      }
      expect((await run("status")).stdout).toContain("partial  2_half");
      expect(jsonOf(await run("history", "--action", "resolve", "--json"))).toMatchObject({ entries: [] });
    }));
});

describe("baseline", () => {
  it("baseline makes an existing database a managed one, and runs no SQL", () =>
    withProject(TWO, async (run, _project, db) => {
      await db.query("CREATE TABLE a (id int)");
      const refused = await run("up");
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("Error UNMANAGED")]);
      expect(refused.stderr).toContain("npm run migrate:baseline");
      expect((await run("baseline", "--to", "nope")).code).toBe(2);

      const { code, stdout } = await run("baseline", "--to", "1_a", "--note", "made in 2019");
      expect(code).toBe(0);
      expect(stdout).toContain("Recorded 1 migration as applied, up to 1_a; no SQL was run.");
      expect(await newest(run, "baseline")).toMatchObject({ migration: "1_a", note: "made in 2019" });
      expect((await run("up")).code).toBe(0);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      expect((await run("down", "2")).code).toBe(0);
      expect(await userTables(db)).toEqual([]);
    }));

  it("baseline without --to counts nothing as applied, and is refused where something is", () =>
    withProject(TWO, async (run, _project, db) => {
      await db.query("CREATE TABLE other ()");
      expect(jsonOf(await run("baseline", "--json"))).toEqual({
        ok: true,
        command: "baseline",
        migrations: [],
        head: null,
      });
      expect((await run("up")).code).toBe(0);
      const again = await run("baseline", "--to", "2_b");
      expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("it needs no baseline")]);
    }));
});
