import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, runCommand } from "./command.ts";
import { BASELINE, FULL, migration, type Squashing, withProject } from "./squashing.ts";

describe("a baseline that is not as squash wrote it", () => {
  const squashed = (test: (squashing: Squashing & { readonly file: string }) => Promise<void>) =>
    withProject(async (squashing) => {
      await squashing.squash();
      await test({ ...squashing, file: join(squashing.project, "migrations", `${BASELINE}.sql`) });
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
  ])("a baseline is refused when %s", (_what, edit, message) =>
    squashed(async ({ run, file, db }) => {
      writeFileSync(file, edit(readFileSync(file, "utf8")));
      for (const command of ["up", "status", "plan"]) {
        const { code, stderr } = await run(command);
        expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
      }
      expect(await db.query("SELECT to_regclass('users') AS users")).toEqual([{ users: null }]);
    }),
  );

  it("a baseline is refused beside a file that it replaces", () =>
    squashed(async ({ run, project }) => {
      addMigrations(project, { "1_roles.sql": FULL["1_roles.sql"] });
      const { code, stderr } = await run("up");
      expect(code).toBe(1);
      expect(stderr).toContain(`${BASELINE} replaces 1_roles, whose file is still there`);
    }));

  it("a baseline may have the line endings of Windows", () =>
    squashed(async ({ run, file }) => {
      writeFileSync(file, readFileSync(file, "utf8").replaceAll("\n", "\r\n"));
      expect(await run("up")).toMatchObject({ code: 0 });
    }));
});

describe("a database made from a baseline", () => {
  const MIGRATIONS = {
    "1_a.sql": migration("CREATE TABLE a (id int);"),
    // Foreign keys in a circle, and rows that need them.
    "2_circle.sql": migration(`CREATE TABLE x (id int PRIMARY KEY, y int);
          CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x DEFERRABLE INITIALLY DEFERRED);
          ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y DEFERRABLE INITIALLY DEFERRED;
          INSERT INTO x VALUES (1, 1); INSERT INTO y VALUES (1, 1);`),
    // A trigger that changes rows, and a table that refers to itself.
    "3_trigger.sql": migration(`CREATE TABLE t (id serial PRIMARY KEY, parent int REFERENCES t, n int);
          CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.n := NEW.n * 2; RETURN NEW; END$$;
          CREATE TRIGGER twice BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION twice();
          INSERT INTO t (parent, n) VALUES (NULL, 1), (1, 2);`),
    // Types, defaults that make identifiers, generated columns, partitions.
    "4_types.sql": migration(`CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('a b', 'c''d');
          CREATE TABLE p (k int, m mood, c citext, g int GENERATED ALWAYS AS (k * 2) STORED, b bytea, "A ""q" text[],
            u uuid DEFAULT gen_random_uuid(), at timestamptz DEFAULT now()) PARTITION BY LIST (k);
          CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p DEFAULT;
          INSERT INTO p VALUES (1, 'a b', 'X', DEFAULT, '\\x00ff', '{"a,b",NULL}'), (7, 'c''d', NULL, DEFAULT, NULL, NULL);`),
    // Rows that look like the markers of a migration.
    "5_markers.sql": migration(
      "CREATE TABLE m (t text); INSERT INTO m VALUES (E'x\\n-- Down Migration\\n-- migrate: replaces y');",
    ),
    "6_c.sql": migration("CREATE TABLE c (); ALTER TABLE a ADD PRIMARY KEY (id);"),
  };

  it("a database made from a baseline has what the migrations make, and squash takes the baseline again", () =>
    withProject(async ({ run, project }) => {
      expect(await run("up")).toMatchObject({ code: 0 });
      const schema = (await run("dump", "--output", "-")).stdout;
      expect(await run("squash", "--to", "5_markers")).toMatchObject({ code: 0 });
      expect(await run("up")).toMatchObject({ code: 0 });
      await withDatabase(async (fresh) => {
        const env = environmentOf(fresh.connection);
        expect(await runCommand(project, ["up"], env)).toMatchObject({ code: 0 });
        expect((await runCommand(project, ["dump", "--output", "-"], env)).stdout).toBe(schema);
        expect(await run("squash", "--to", "6_c", "--dry-run")).toMatchObject({ code: 0 });
      });
    }, MIGRATIONS));
});
