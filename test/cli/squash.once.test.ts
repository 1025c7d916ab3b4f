import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, jsonOf, runCommand } from "./command.ts";
import { BASELINE, FULL, withProject } from "./squashing.ts";

const CONTENTS = `SELECT (SELECT json_agg(r ORDER BY id) FROM (SELECT id, name FROM roles) r) AS roles,
  (SELECT json_agg(u ORDER BY id) FROM users u) AS users, (SELECT n FROM counts) AS n,
  (SELECT last_value FROM roles_id_seq) AS last`;
const NAMES = "SELECT name FROM pgmigrations ORDER BY id";

describe("squash", () => {
  it("squash replaces files by a baseline that a new database runs", () =>
    withProject(async ({ run, db, files, project, git }) => {
      await run("up");
      const full = await db.query(CONTENTS);
      const schema = (await run("dump", "--output", "-")).stdout;
      const outcome = await run("squash", "--to", "3_count");
      expect(outcome).toMatchObject({ code: 0 });
      expect(outcome.stdout).toContain("in place of 3 migrations");
      expect(outcome.stdout).toContain("public.roles (3), public.users (2)");
      expect(files()).toEqual([`${BASELINE}.sql`, "4_more.sql"]);
      expect(
        git("status", "--porcelain")
          .split("\n")
          .filter((line) => line.startsWith(" D")),
      ).toHaveLength(3);
      await withDatabase(async (fresh) => {
        const env = environmentOf(fresh.connection);
        expect(await runCommand(project, ["up"], env)).toMatchObject({ code: 0 });
        expect(await fresh.query(CONTENTS)).toEqual(full);
        expect((await runCommand(project, ["dump", "--output", "-"], env)).stdout).toBe(schema);
        expect(await runCommand(project, ["down", "2"], env)).toMatchObject({ code: 1 });
        expect((await runCommand(project, ["verify"], env)).stdout).toContain(`irreversible ${BASELINE}`);
      });
    }));

  it("a baseline is recorded, and not run, where all that it replaces is applied", () =>
    withProject(async ({ squash, run, db }) => {
      await run("up", "--to", "3_count");
      await squash();
      expect((await run("plan")).stdout).toContain("no SQL: replaces 3 migrations, applied before");
      const status = jsonOf(await run("status", "--json"));
      expect(status).toMatchObject({ counts: { applied: 3, pending: 2, missing: 0 }, refusals: [] });
      expect(await run("up")).toMatchObject({ code: 0 });
      expect(jsonOf(await run("status", "--json"))).toMatchObject({
        counts: { applied: 2, pending: 0, missing: 0, ahead: 0 },
        head: "4_more",
      });
      expect(await run("status", "--check")).toMatchObject({ code: 0 });
      const rows = await db.query("SELECT action, note FROM pgmigrations_history WHERE migration = $1", [
        BASELINE,
      ]);
      expect(rows).toEqual([{ action: "fake", note: "replaces 3 migrations, applied before" }]);
    }));

  it("status and report say that a baseline will only be recorded, and show none of its SQL", () =>
    withProject(async ({ squash, run }) => {
      await run("up");
      await squash();
      const note = "replaces 3 migrations, applied before";
      const { stdout } = await run("status");
      expect(stdout).toMatch(new RegExp(`pending  ${BASELINE}  no SQL: ${note}\n`));
      expect(stdout).toContain("up records what is pending and runs no SQL.");
      expect(jsonOf(await run("status", "--json"))).toMatchObject({
        migrations: expect.arrayContaining([{ name: BASELINE, state: "pending", appliedAt: null, note }]),
      });
      const report = await run("report");
      expect(report).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(`recorded as applied: ${note}`),
      });
      expect(report.stdout).not.toContain("CREATE TABLE");
      expect(report.stdout).not.toContain("failed on the scratch database");
    }));

  it("a no-op run has four statements after a squash", () =>
    withProject(async ({ squash, run, db }) => {
      await run("up");
      await squash();
      await run("up");
      await db.enableStatementLog();
      expect((await run("up")).stdout).toContain("all is applied");
      expect((await db.logged()).length).toBeLessThanOrEqual(4);
    }));

  it("up refuses a database that has some of what a baseline replaces, and names the way out", () =>
    withProject(async ({ squash, run, db, git }) => {
      await run("up", "--to", "2_users");
      await squash();
      const refused = await run("up");
      expect(refused).toMatchObject({ code: 1 });
      expect(refused.stderr).toContain("SQUASHED");
      expect(refused.stderr).toContain("not applied: 3_count");
      expect(await run("up", "--order", "allow")).toMatchObject({ code: 1 });
      git("stash", "-qu");
      expect(await run("up", "--to", "3_count")).toMatchObject({ code: 0 });
      git("stash", "pop", "-q");
      expect(await run("up")).toMatchObject({ code: 0 });
      expect((await db.query<{ name: string }>(NAMES)).map(({ name }) => name)).toEqual([
        "1_roles",
        "2_users",
        "3_count",
        BASELINE,
        "4_more",
      ]);
    }));

  it("down counts what status shows: a baseline, and not what it replaces", () =>
    withProject(async ({ squash, run, db }) => {
      await run("up");
      await squash();
      await run("up");
      expect((await run("down", "99")).stderr).toContain(
        "the count is 99, but there are only 2 migrations applied",
      );
      expect(await run("down", "3")).toMatchObject({ code: 2 });
      expect(await run("down", "2")).toMatchObject({ code: 0 });
      expect((await db.query<{ name: string }>(NAMES)).map(({ name }) => name)).toEqual([
        "1_roles",
        "2_users",
        "3_count",
      ]);
    }));

  it("down only forgets a baseline that was recorded, and undoes what it replaces from the history", () =>
    withProject(async ({ squash, run, db }) => {
      await run("up");
      await squash();
      await run("up");
      expect(await run("down", "--to", "1_roles", "--dry-run")).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/DROP INDEX.*DROP TABLE/s),
      });
      expect(await run("down", "--to", "1_roles")).toMatchObject({ code: 0 });
      expect(await db.query(NAMES)).toEqual([{ name: "1_roles" }]);
      expect(await db.query("SELECT to_regclass('users') AS users")).toEqual([{ users: null }]);
      expect((await run("up")).stderr).toContain("not applied: 2_users, 3_count");
    }));

  it("a recorded baseline stays so when a repair accepts its edited file, or a rename its new name", () =>
    withProject(async ({ squash, run, project, db }) => {
      await run("up");
      await squash();
      await run("up");
      const file = join(project, "migrations", `${BASELINE}.sql`);
      writeFileSync(file, `${readFileSync(file, "utf8")}\nCREATE TABLE added_later ();\n`);
      expect(await run("repair", "--note", "a new table")).toMatchObject({ code: 0 });
      renameSync(file, join(project, "migrations", "3_all-baseline.sql"));
      expect(await run("rename", BASELINE, "3_all-baseline")).toMatchObject({ code: 0 });
      expect(
        await db.query("SELECT note FROM pgmigrations_history WHERE action = 'repair' ORDER BY id"),
      ).toEqual([
        { note: "replaces 3 migrations, applied before; a new table" },
        { note: `replaces 3 migrations, applied before; renamed from ${BASELINE}` },
      ]);
      expect(await run("down")).toMatchObject({ code: 0 });
      expect(await db.query("SELECT to_regclass('users') IS NOT NULL AS users")).toEqual([{ users: true }]);
      expect(await db.query(NAMES)).not.toContainEqual({ name: "3_all-baseline" });
    }));

  it("a squash is undone by the files of the commit before it", () =>
    withProject(async ({ squash, run, git }) => {
      await run("up");
      await squash();
      await run("up");
      git("stash", "-qu");
      expect(jsonOf(await run("status", "--json"))).toMatchObject({
        counts: { applied: 4, pending: 0, missing: 0, ahead: 0 },
        refusals: [],
        warnings: [],
      });
      expect(await run("up")).toMatchObject({ code: 0 });
      git("stash", "pop", "-q");
      expect((await run("up")).stdout).toContain("all is applied");
    }));

  it("up notices a database whose migrations had other SQL than the baseline was made from", () =>
    withProject(async ({ squash, run, project, git }) => {
      addMigrations(project, { "1_roles.sql": FULL["1_roles.sql"].replace("UNIQUE", "") });
      await run("up");
      git("checkout", "-q", ".");
      await squash();
      const { code, stderr } = await run("up");
      expect(code).toBe(1);
      expect(stderr).toContain(`applied with other SQL than ${BASELINE} was made from: 1_roles`);
    }));

  it("squash replaces a baseline again, for databases that ran it and for those that did not", () =>
    withProject(async ({ run, project, git }) => {
      await withDatabase(async (old) => {
        const env = environmentOf(old.connection);
        await runCommand(project, ["up"], env);
        await run("squash", "--to", "2_users");
        await run("up");
        git("add", ".");
        git("commit", "-qm", "squashed");
        expect(await run("squash", "--to", "4_more")).toMatchObject({ code: 0 });
        const onOld = (...args: string[]) => runCommand(project, args, env);
        expect((await onOld("up")).stdout).toContain("Recorded 1 migration as applied; no SQL was run.");
        expect((await onOld("up")).stdout).toContain("all is applied");
        expect((await run("up")).stdout).toContain("Recorded");
        expect((await run("up")).stdout).toContain("all is applied");
      });
    }));
});
