import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, jsonOf, type Outcome, runCommand, writeProject } from "./command.ts";

const FULL = {
  "1_roles.sql": `-- Up Migration
CREATE TABLE roles (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, made timestamptz DEFAULT now());
INSERT INTO roles (name) VALUES ('admin'), ('o''hara \\ "x"'), (NULL);
-- Down Migration
DROP TABLE roles;`,
  "2_users.ts": `export async function up(pgm) {
  pgm.createTable("users", { id: "id", role: { type: "int", references: "roles", notNull: true }, note: "jsonb" });
  pgm.sql("INSERT INTO users (role, note) VALUES (1, '{\\"a\\": 1}'), (2, NULL)");
  pgm.createIndex("users", "role");
}
export async function down(pgm) { pgm.dropTable("users"); }`,
  "3_count.sql": `-- Up Migration
-- migrate: no-transaction
CREATE INDEX CONCURRENTLY users_note ON users (note);
CREATE MATERIALIZED VIEW counts AS SELECT count(*) AS n FROM users;
-- Down Migration
DROP MATERIALIZED VIEW counts;
DROP INDEX users_note;`,
};
const REST = {
  "4_more.sql":
    "-- Up Migration\nALTER TABLE users ADD COLUMN more text;\n-- Down Migration\nALTER TABLE users DROP COLUMN more;",
};
const BASELINE = "3_count-baseline";

interface Squashing {
  readonly run: (...args: string[]) => Promise<Outcome>;
  readonly project: string;
  readonly db: TestDatabase;
  readonly files: () => string[];
  readonly git: (...args: string[]) => string;
}

function gitIn(project: string): Squashing["git"] {
  return (...args) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
      cwd: project,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
}

/** A committed project and a database of its own. */
function withProject(
  test: (squashing: Squashing) => Promise<void>,
  migrations: Readonly<Record<string, string>> = { ...FULL, ...REST },
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(migrations);
    const git = gitIn(project);
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "full");
    const files = () => readdirSync(join(project, "migrations")).toSorted();
    const run = (...args: string[]) => runCommand(project, args, environmentOf(db.connection));
    await test({ run, project, db, files, git });
  });
}

const CONTENTS = `SELECT (SELECT json_agg(r ORDER BY id) FROM (SELECT id, name FROM roles) r) AS roles,
  (SELECT json_agg(u ORDER BY id) FROM users u) AS users, (SELECT n FROM counts) AS n,
  (SELECT last_value FROM roles_id_seq) AS last`;
const NAMES = "SELECT name FROM pgmigrations ORDER BY id";

describe("squash", () => {
  it("replaces files by a baseline that a new database runs", () =>
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

  it("is recorded, and not run, where all that it replaces is applied", () =>
    withProject(async ({ run, db }) => {
      await run("up", "--to", "3_count");
      await run("squash", "--to", "3_count");
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

  it("leaves a no-op run with four statements", () =>
    withProject(async ({ run, db }) => {
      await run("up");
      await run("squash", "--to", "3_count");
      await run("up");
      await db.enableStatementLog();
      expect((await run("up")).stdout).toContain("all is applied");
      expect((await db.logged()).length).toBeLessThanOrEqual(4);
    }));

  it("names the way out to a database that has some of what it replaces", () =>
    withProject(async ({ run, db, git }) => {
      await run("up", "--to", "2_users");
      await run("squash", "--to", "3_count");
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

  it("is only forgotten by down where it was recorded, and what it replaces is undone from the history", () =>
    withProject(async ({ run, db }) => {
      await run("up");
      await run("squash", "--to", "3_count");
      await run("up");
      expect(await run("down", "--to", "1_roles")).toMatchObject({ code: 0 });
      expect(await db.query(NAMES)).toEqual([{ name: "1_roles" }]);
      expect(await db.query("SELECT to_regclass('users') AS users")).toEqual([{ users: null }]);
      expect((await run("up")).stderr).toContain("not applied: 2_users, 3_count");
    }));

  it("can be taken back by the files of the commit before it", () =>
    withProject(async ({ run, git }) => {
      await run("up");
      await run("squash", "--to", "3_count");
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

  it("notices a database whose migrations had other SQL", () =>
    withProject(async ({ run, project, git }) => {
      addMigrations(project, { "1_roles.sql": FULL["1_roles.sql"].replace("UNIQUE", "") });
      await run("up");
      git("checkout", "-q", ".");
      await run("squash", "--to", "3_count");
      const { code, stderr } = await run("up");
      expect(code).toBe(1);
      expect(stderr).toContain(`applied with other SQL than ${BASELINE} was made from: 1_roles`);
    }));

  it("squashes a baseline again, for databases that ran it and for those that did not", () =>
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
