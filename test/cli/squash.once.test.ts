import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import {
  addMigrations,
  environmentOf,
  jsonOf,
  type Outcome,
  runCommand,
  until,
  writeProject,
} from "./command.ts";

const SCRATCH_DATABASES =
  "SELECT datname AS name FROM pg_database WHERE datname LIKE 'cdk_pg_migrate_scratch%'";

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

  it("stays recorded only when a repair accepts its edited file, or a rename its new name", () =>
    withProject(async ({ run, project, db }) => {
      await run("up");
      await run("squash", "--to", "3_count");
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

const up = (sql: string) => `-- Up Migration\n${sql}\n-- Down Migration\nSELECT 1;`;
const A = { "1_a.sql": up("CREATE TABLE a (id int);") };

describe("squash of what cannot be squashed", () => {
  it.each([
    ["an unknown name", A, "9_x", 2, 'no migration named "9_x"'],
    ["the first migration", A, "1_a", 2, "nothing to squash"],
    [
      "a role",
      { ...A, "2_b.sql": up("CREATE ROLE squashed_role;") },
      "2_b",
      1,
      "2_b cannot be squashed: it changes more than its own database",
    ],
    [
      "a time in a column without a default",
      { ...A, "2_b.sql": up("CREATE TABLE b (made timestamptz); INSERT INTO b VALUES (now());") },
      "2_b",
      1,
      "public.b.made differ between two replays",
    ],
    [
      "a time that is cut to seconds",
      { ...A, "2_b.sql": up("CREATE TABLE b AS SELECT date_trunc('second', now()) AS made;") },
      "2_b",
      1,
      "public.b.made differ",
    ],
    [
      "a random number of rows",
      {
        ...A,
        "2_b.sql": up("INSERT INTO a SELECT 1 FROM generate_series(1, 5000) WHERE random() < 0.5;"),
      },
      "2_b",
      1,
      "the number of rows of public.a",
    ],
    [
      "an object that no dump holds",
      { ...A, "2_b.sql": up("CREATE FOREIGN DATA WRAPPER nothing;") },
      "2_b",
      1,
      "cannot be written as SQL for every machine",
    ],
    ["a migration that fails", { ...A, "2_b.sql": up("CREATE TABLE a ();") }, "2_b", 1, "already exists"],
    [
      "shorthands that a later migration uses",
      {
        "1_a.ts": 'export const shorthands = { key: "int" };\nexport const up = () => {};',
        ...{ "2_b.sql": up("SELECT 1;") },
        ...{ "3_c.ts": 'export const up = (pgm) => pgm.createTable("c", { id: { type: "key" } });' },
      },
      "2_b",
      1,
      'type "key" does not exist',
    ],
    [
      "code that a later migration imports",
      {
        "1_a.ts": 'export const type = "int";\nexport const up = () => {};',
        ...{ "2_b.sql": up("SELECT 1;") },
        ...{
          "3_c.ts":
            'import { type } from "./1_a.ts";\nexport const up = (pgm) => pgm.createTable("c", { id: type });',
        },
      },
      "2_b",
      1,
      "1_a",
    ],
  ])("refuses %s and changes no file", (_what, migrations, to, code, message) =>
    withProject(async ({ run, files, git, db }) => {
      const before = files();
      const scratch = async () =>
        (await db.query<{ name: string }>(SCRATCH_DATABASES)).map(({ name }) => name);
      const earlier = await scratch();
      const outcome = await run("squash", "--to", to);
      expect(outcome.stderr).toContain(message);
      expect(outcome.code).toBe(code);
      expect(files()).toEqual(before);
      expect(git("status", "--porcelain")).toBe("");
      // Other test files make theirs on the same server, and drop them soon.
      const left = (await scratch()).filter((name) => !earlier.includes(name));
      await until(
        async () => (await scratch()).every((name) => !left.includes(name)),
        "the end of scratch databases",
      );
    }, migrations),
  );

  it("refuses to delete files that are not committed, and moves them with --keep", () =>
    withProject(async ({ run, files, project }) => {
      addMigrations(project, { "2_b.sql": up("CREATE TABLE b ();") });
      const refused = await run("squash", "--to", "2_b");
      expect(refused).toMatchObject({ code: 2 });
      expect(refused.stderr).toContain("are not committed: 2_b.sql");
      expect(files()).toEqual(["1_a.sql", "2_b.sql"]);
      const kept = await run("squash", "--to", "2_b", "--keep", "old", "--json");
      expect(jsonOf(kept)).toMatchObject({
        ok: true,
        baseline: "2_b-baseline",
        replaces: ["1_a", "2_b"],
        keep: "old",
      });
      expect(files()).toEqual(["2_b-baseline.sql"]);
      expect(readdirSync(join(project, "old")).toSorted()).toEqual(["1_a.sql", "2_b.sql"]);
    }, A));

  it("refuses to delete files in a folder without git, and says so in its own words", () =>
    withProject(async ({ run, files, project }) => {
      rmSync(join(project, ".git"), { recursive: true });
      addMigrations(project, { "2_b.sql": up("CREATE TABLE b ();") });
      const { code, stderr } = await run("squash", "--to", "2_b");
      expect(code).toBe(2);
      expect(stderr).toContain("the replaced files would be deleted, and are in no git repository");
      expect(stderr).toContain("Name a folder for them with --keep");
      expect(stderr).not.toContain("fatal:");
      expect(files()).toEqual(["1_a.sql", "2_b.sql"]);
    }, A));

  it("prints the baseline with --dry-run and writes nothing", () =>
    withProject(async ({ run, git }) => {
      const { code, stdout } = await run("squash", "--to", "3_count", "--dry-run");
      expect(code).toBe(0);
      expect(stdout).toContain("-- migrate: baseline of 3, list ");
      expect(stdout).toMatch(/^-- migrate: replaces 1:[0-9a-f]{16} 1_roles$/m);
      expect(stdout).toContain("INSERT INTO public.roles (id, name, made) OVERRIDING SYSTEM VALUE VALUES");
      expect(stdout).toContain("  (1, 'admin', DEFAULT)");
      expect(git("status", "--porcelain")).toBe("");
    }));
});

describe("a baseline that is not as squash wrote it", () => {
  const squashed = (test: (squashing: Squashing & { readonly file: string }) => Promise<void>) =>
    withProject(async (squashing) => {
      const file = join(squashing.project, "migrations", `${BASELINE}.sql`);
      expect(await squashing.run("squash", "--to", "3_count")).toMatchObject({ code: 0 });
      await test({ ...squashing, file });
    });

  it.each([
    [
      "a name is taken out",
      (text: string) => text.replace(/^-- migrate: replaces .* 2_users\n/m, ""),
      "says 3",
    ],
    ["a name is changed", (text: string) => text.replace(" 2_users\n", " 2_user\n"), "was edited"],
    [
      "the first line is lost",
      (text: string) => text.replace(/^-- migrate: baseline.*\n/m, ""),
      'begins with "-- migrate: replaces',
    ],
  ])("is refused when %s", (_what, edit, message) =>
    squashed(async ({ run, file, db }) => {
      writeFileSync(file, edit(readFileSync(file, "utf8")));
      for (const command of ["up", "status", "plan"]) {
        const { code, stderr } = await run(command);
        expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
      }
      expect(await db.query("SELECT to_regclass('users') AS users")).toEqual([{ users: null }]);
    }),
  );

  it("is refused beside a file that it replaces", () =>
    squashed(async ({ run, project }) => {
      addMigrations(project, { "1_roles.sql": FULL["1_roles.sql"] });
      const { code, stderr } = await run("up");
      expect(code).toBe(1);
      expect(stderr).toContain(`${BASELINE} replaces 1_roles, whose file is still there`);
    }));

  it("may have the line endings of Windows", () =>
    squashed(async ({ run, file }) => {
      writeFileSync(file, readFileSync(file, "utf8").replaceAll("\n", "\r\n"));
      expect(await run("up")).toMatchObject({ code: 0 });
    }));
});

describe("a database made from a baseline", () => {
  const FOLDERS: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    [
      "foreign keys in a circle, and rows that need them",
      {
        "2_b.sql": up(`CREATE TABLE x (id int PRIMARY KEY, y int);
          CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x DEFERRABLE INITIALLY DEFERRED);
          ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y DEFERRABLE INITIALLY DEFERRED;
          INSERT INTO x VALUES (1, 1); INSERT INTO y VALUES (1, 1);`),
      },
    ],
    [
      "a trigger that changes rows, and a table that refers to itself",
      {
        "2_b.sql": up(`CREATE TABLE t (id serial PRIMARY KEY, parent int REFERENCES t, n int);
          CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.n := NEW.n * 2; RETURN NEW; END$$;
          CREATE TRIGGER twice BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION twice();
          INSERT INTO t (parent, n) VALUES (NULL, 1), (1, 2);`),
      },
    ],
    [
      "types, defaults that make identifiers, generated columns, partitions",
      {
        "2_b.sql": up(`CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('a b', 'c''d');
          CREATE TABLE p (k int, m mood, c citext, g int GENERATED ALWAYS AS (k * 2) STORED, b bytea, "A ""q" text[],
            u uuid DEFAULT gen_random_uuid(), at timestamptz DEFAULT now()) PARTITION BY LIST (k);
          CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p DEFAULT;
          INSERT INTO p VALUES (1, 'a b', 'X', DEFAULT, '\\x00ff', '{"a,b",NULL}'), (7, 'c''d', NULL, DEFAULT, NULL, NULL);`),
      },
    ],
    [
      "rows that look like the markers of a migration",
      {
        "2_b.sql": up(
          "CREATE TABLE m (t text); INSERT INTO m VALUES (E'x\\n-- Down Migration\\n-- migrate: replaces y');",
        ),
      },
    ],
  ];

  it.each(FOLDERS)("has what the migrations make: %s", (_what, migrations) =>
    withProject(
      async ({ run, project }) => {
        expect(await run("up")).toMatchObject({ code: 0 });
        const schema = (await run("dump", "--output", "-")).stdout;
        const outcome = await run("squash", "--to", "2_b");
        expect(outcome).toMatchObject({ code: 0 });
        expect(await run("up")).toMatchObject({ code: 0 });
        await withDatabase(async (fresh) => {
          const env = environmentOf(fresh.connection);
          expect(await runCommand(project, ["up"], env)).toMatchObject({ code: 0 });
          expect((await runCommand(project, ["dump", "--output", "-"], env)).stdout).toBe(schema);
          expect(await runCommand(project, ["squash", "--to", "3_c", "--dry-run"], env)).toMatchObject({
            code: 0,
          });
        });
      },
      { ...A, ...migrations, "3_c.sql": up("CREATE TABLE c (); ALTER TABLE a ADD PRIMARY KEY (id);") },
    ),
  );
});
