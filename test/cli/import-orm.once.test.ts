import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { environmentOf, runCommand } from "./command.ts";
import { statesOf, withHistory } from "./import-history.ts";

describe("import --from prisma", () => {
  it("import refuses a migration of Prisma that failed, until its own record says how it ended", () =>
    withHistory("prisma", "failed", async (run, project, db) => {
      const failed = await run("import", "--from", "prisma");
      expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("Error PARTIAL") });
      expect(failed.stderr).toContain("20240104000000_wrong failed or did not finish");
      expect(failed.stderr).toContain("prisma migrate resolve");
      expect(existsSync(join(project, "migrations"))).toBe(false);
      await db.query("UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL");
      expect(await run("import", "--from", "prisma")).toMatchObject({ code: 0, stderr: "" });
      expect(Object.keys(await statesOf(run))).not.toContain("20240104000000_wrong");
    }));

  it("import counts a migration of Prisma once that was rolled back and applied again", () =>
    withHistory("prisma", "database", async (run, _project, db) => {
      await db.query(`INSERT INTO _prisma_migrations (id, checksum, migration_name, rolled_back_at, started_at)
        VALUES ('x', 'y', '20240101000000_init', now(), '2020-01-01'), ('z', 'y', '20240103000000_role', now(), '2030-01-01')`);
      expect(await run("import", "--from", "prisma")).toMatchObject({ code: 0, stderr: "" });
      expect(await statesOf(run)).toMatchObject({
        "20240101000000_init": "applied",
        "20240103000000_role": "pending",
      });
    }));
});

describe.each([
  { tool: "prisma", file: "prisma/migrations/20240101000000_init/migration.sql" },
  { tool: "drizzle", file: "drizzle/0000_calm_users.sql" },
])("import --from $tool", ({ tool, file }) => {
  it("import mentions a file that was edited after it was applied, and records it as it is now", () =>
    withHistory(tool, "database", async (run, project) => {
      appendFileSync(join(project, file), "\n-- edited\n");
      const { code, stdout } = await run("import", "--from", tool);
      expect(code).toBe(0);
      expect(stdout).toContain("has changed since it was applied; it is recorded as it is now.");
    }));

  it("import refuses an applied migration whose file is gone", () =>
    withHistory(tool, "database", async (run, project) => {
      rmSync(join(project, file));
      const { code, stderr } = await run("import", "--from", tool);
      expect(code).toBe(1);
      expect(stderr).toMatch(/applied migrations that have no file|and it is not there/);
    }));
});

it("import refuses while knex holds its lock, or a run that has crashed has left it", () =>
  withHistory("knex", "database", async (run, project, db) => {
    await db.query("UPDATE knex_migrations_lock SET is_locked = 1");
    const { code, stderr } = await run("import", "--from", "knex", "--source", "knex-migrations");
    expect(code).toBe(1);
    expect(stderr).toContain("Error LOCK_HELD");
    expect(stderr).toContain("release the lock: knex migrate:unlock");
    expect(existsSync(join(project, "migrations"))).toBe(false);
  }));

describe("import --from drizzle", () => {
  it("import says whose table it is that the user may not read", () =>
    withHistory("drizzle", "database", async (_run, project, db) => {
      await db.query(`CREATE ROLE ${db.name} LOGIN PASSWORD 'weak'`);
      const env = environmentOf({ ...db.connection, user: db.name, password: "weak" });
      const { code, stderr } = await runCommand(project, ["import", "--from", "drizzle"], env);
      await db.query(`DROP ROLE ${db.name}`);
      expect(code).toBe(1);
      expect(stderr).toContain("the table of Drizzle cannot be read: permission denied for schema drizzle");
    }));

  it("import refuses a folder of Drizzle without a journal, and a journal that cannot be read", () =>
    withHistory("drizzle", "database", async (run, project) => {
      const journal = join(project, "drizzle/meta/_journal.json");
      writeFileSync(journal, '{"entries": 1}');
      const unreadable = await run("import", "--from", "drizzle", "--files-only");
      expect(unreadable).toMatchObject({ code: 2, stderr: expect.stringContaining("meta/_journal.json") });
      rmSync(journal);
      const missing = await run("import", "--from", "drizzle", "--files-only");
      expect(missing).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("neither a journal nor a folder"),
      });
    }));

  it("import reads a folder for each migration, as Drizzle 1.0 has them, and finds its row by time or by hash", () =>
    withHistory("drizzle", "database", async (run, project, db) => {
      const folder = join(project, "drizzle");
      const old = ["0000_calm_users", "0001_kind_posts", "0002_late_view"];
      // The first two are of the same second.
      const names = ["20240101000000_calm_users", "20240101000000_kind_posts", "20240103000000_late_view"];
      for (const [index, name] of names.entries()) {
        mkdirSync(join(folder, name));
        renameSync(join(folder, `${old[index]}.sql`), join(folder, name, "migration.sql"));
      }
      rmSync(join(folder, "meta"), { recursive: true });
      await db.query("UPDATE drizzle.__drizzle_migrations SET created_at = 1704067200000");
      expect(await run("import", "--from", "drizzle")).toMatchObject({ code: 0, stderr: "" });
      const [users = "", posts = "", view = ""] = names;
      expect(await statesOf(run)).toEqual({ [users]: "applied", [posts]: "applied", [view]: "pending" });
    }));

  it("an older entry that Drizzle has skipped is imported as pending", () =>
    withHistory("drizzle", "complete", async (run, _project, db) => {
      await db.query("DELETE FROM drizzle.__drizzle_migrations WHERE id = 2");
      const { stdout } = await run("import", "--from", "drizzle");
      expect(stdout).toContain("Pending, but older than an applied one: 0001_kind_posts.");
      expect(await statesOf(run)).toMatchObject({
        "0001_kind_posts": "pending",
        "0002_late_view": "applied",
      });
    }));
});
