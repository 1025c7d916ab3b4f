import { describe, expect, test } from "@jest/globals";
import { ROLE_SECRET_ARN } from "../cloud/physical-names.ts";
import type { OwnedDatabase } from "../database.ts";
import { type Scenarios, secretText } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { dropRoles, withRole } from "./role.ts";

const DENIED = "42501";
const owner = { Access: "owner" };

/** One of each kind of object. */
const OBJECTS = {
  "1_t1.sql": tables(1)["1_t1.sql"] ?? "",
  "2_s1.sql": "CREATE SEQUENCE s1;",
  "3_objects.sql": sql(`
    CREATE TABLE parted (id serial, at date) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE VIEW seen AS SELECT * FROM t1;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM t1;
    CREATE TYPE mood AS ENUM ('calm');
    CREATE TYPE pair AS (a int, b int);
    CREATE TYPE span AS RANGE (subtype = float8);
    CREATE DOMAIN price AS numeric;
    CREATE FUNCTION one(integer, text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE work() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
    CREATE TABLE "Odd 'name" (id int GENERATED ALWAYS AS IDENTITY);`),
};

/** What later migrations may do with all of that. */
const LATER = {
  "4_later.sql": sql(
    `ALTER TABLE t1 ADD COLUMN more serial;
    CREATE INDEX ON t1 (more);
    CREATE TABLE t4 (id int PRIMARY KEY);
    CREATE TABLE child (id int REFERENCES t4);
    ALTER TYPE mood ADD VALUE 'wild';
    ALTER DOMAIN price SET DEFAULT 0;
    CREATE OR REPLACE FUNCTION one(integer, text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 2';
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
    REFRESH MATERIALIZED VIEW kept;
    INSERT INTO parted (at) VALUES ('2026-05-05');
    DROP PROCEDURE work();
    DROP TABLE "Odd 'name";`,
    "DROP TABLE child; DROP TABLE t4; ALTER TABLE t1 DROP COLUMN more;",
  ),
};

/** Owners of what the migrations made, and of the engine's tables, by name. */
async function ownersIn(db: OwnedDatabase, names: readonly string[]): Promise<Record<string, string>> {
  const rows = await db.query<{ name: string; owner: string }>(
    `SELECT name, pg_get_userbyid(owner) AS owner FROM (
       SELECT relname::text AS name, relowner AS owner, relnamespace AS schema FROM pg_class WHERE relkind <> 'c'
       UNION ALL SELECT typname, typowner, typnamespace FROM pg_type WHERE typtype IN ('e', 'c', 'r', 'd') AND typrelid = 0 OR typname = 'pair'
       UNION ALL SELECT proname, proowner, pronamespace FROM pg_proc WHERE proname <> 'span') AS made
     WHERE schema = 'public'::regnamespace AND name = ANY ($1)`,
    [names],
  );
  return Object.fromEntries(rows.map(({ name, owner: of }) => [name, of]));
}

const MADE = [
  ...["t1", "s1", "parted", "parted_1", "parted_id_seq", "seen", "kept", "mood", "pair", "span", "price"],
  ...["one", "work", "total", "Odd 'name", "Odd 'name_id_seq"],
];
const ENGINE = ["pgmigrations", "pgmigrations_history", "pgmigrations_id_seq", "pgmigrations_history_id_seq"];

const all = (names: readonly string[], of: string) => Object.fromEntries(names.map((name) => [name, of]));

export const ownerLimits: Scenarios = (aws) =>
  describe("what an owner cannot do", () => {
    test("a role with access: owner can neither write what decides a down, nor become the user of the migrations", async () => {
      await withRole(aws(), async ({ ask, says, db, role }) => {
        await ask(owner);
        expect(await ownersIn(db, ENGINE)).toEqual(all(ENGINE, db.owner));
        const statements = [
          "DELETE FROM pgmigrations",
          "UPDATE pgmigrations_history SET migration = 'x'",
          "ALTER TABLE pgmigrations_history DISABLE TRIGGER ALL",
          "CREATE TRIGGER mine BEFORE INSERT ON pgmigrations EXECUTE FUNCTION suppress_redundant_updates_trigger()",
          "DROP TABLE pgmigrations",
          "SELECT nextval('pgmigrations_id_seq')",
          `SET ROLE ${db.owner}`,
          `GRANT ${db.owner} TO ${role}`,
          `ALTER ROLE ${db.owner} PASSWORD 'x'`,
          "CREATE ROLE another",
          "DROP SCHEMA public CASCADE",
        ];
        expect(await says(...statements)).toEqual(statements.map(() => DENIED));
      });
    });
  });

export const owners: Scenarios = (aws) =>
  describe("an application role that owns what the migrations make", () => {
    test("a role with access: owner may alter, truncate and drop what the migrations made, and make more", async () => {
      const { deployable } = aws();
      await withRole(aws(), async ({ ask, says, stack, db, role }) => {
        await stack.update(await deployable(OBJECTS));
        expect(await ask(owner)).toMatchObject({ failed: false });
        expect(await ownersIn(db, MADE)).toEqual(all(MADE, `${role}_owner`));
        const statements = [
          "ALTER TABLE t1 ADD COLUMN own int",
          "TRUNCATE t1",
          "REFRESH MATERIALIZED VIEW kept",
          "CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
          "ALTER TYPE mood ADD VALUE 'glad'",
          "CREATE OR REPLACE FUNCTION one(integer, text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 3'",
          "DROP VIEW seen",
          "CREATE TABLE mine (id int)",
          "SELECT name FROM pgmigrations",
        ];
        expect(await says(...statements)).toEqual(statements.map(() => "ok"));
      });
    });

    test("a trigger of a role with access: owner runs with the rights of the migrations when one of them meets it", async () => {
      const { deployable } = aws();
      await withRole(aws(), async ({ ask, says, stack, db, role }) => {
        await ask(owner);
        const made = await says(
          "CREATE TABLE seen_as (name text)",
          `CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO seen_as VALUES (session_user); RETURN NEW; END'`,
          "CREATE TRIGGER spy BEFORE INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION spy()",
          "INSERT INTO t1 VALUES (1)",
        );
        expect(made).toEqual(["ok", "ok", "ok", "ok"]);
        const filled = {
          ...tables(1),
          "2_s1.sql": "CREATE SEQUENCE s1;",
          "3_fill.sql": "INSERT INTO t1 VALUES (2);",
        };
        expect(await stack.update(await deployable(filled))).toMatchObject({ status: "SUCCESS" });
        // Postgres has no way to prevent that: the documentation of `access` says so.
        expect(await db.query("SELECT name FROM seen_as")).toEqual([{ name: role }, { name: db.owner }]);
      });
    });

    test("a user of the migrations who inherits nothing still alters what a role owns, or is refused before Postgres 16", async () => {
      const { deployable } = aws();
      await withRole(aws(), async ({ ask, stack, db, role }) => {
        await db.query(`GRANT ALL ON SCHEMA public TO ${db.owner} WITH GRANT OPTION`);
        await db.query(`ALTER ROLE ${db.owner} NOINHERIT`);
        const [{ major } = { major: 0 }] = await db.query<{ major: number }>(
          "SELECT current_setting('server_version_num')::int / 10000 AS major",
        );
        const { failed, payload } = await ask(owner);
        expect(failed).toBe(major < 16);
        if (failed) {
          expect(JSON.stringify(payload)).toMatch(
            /AUTH: .* does not inherit the rights of .*_owner.* INHERIT/,
          );
          expect(await db.query("SELECT FROM pg_roles WHERE rolname = $1", [role])).toEqual([]);
          return;
        }
        const altered = {
          ...tables(1),
          "2_s1.sql": "CREATE SEQUENCE s1;",
          "3_b.sql": "ALTER TABLE t1 ADD b int;",
        };
        expect(await stack.update(await deployable(altered))).toMatchObject({ status: "SUCCESS" });
        // What was granted by another user than the owner of the schema would keep the role from being dropped.
        await db.query(`SET ROLE ${db.owner}; REVOKE ALL ON SCHEMA public FROM ${role}_owner; RESET ROLE`);
      });
    });

    test("migrations alter and drop what a role owns or has made, and their new tables become the role's", async () => {
      const { deployable } = aws();
      await withRole(aws(), async ({ ask, says, stack, db, role }) => {
        await stack.update(await deployable(OBJECTS));
        await ask(owner);
        await says("CREATE TABLE mine (id int)", "INSERT INTO t1 VALUES (1)");
        const later = { ...OBJECTS, ...LATER, "5_mine.sql": "ALTER TABLE mine ADD COLUMN more int;" };
        expect(await stack.update(await deployable(later))).toMatchObject({ status: "SUCCESS" });
        // Before the request for the role comes: as with access: write.
        expect(await says("INSERT INTO t4 VALUES (1)", "INSERT INTO child VALUES (1)")).toEqual(["ok", "ok"]);
        expect(await ask(owner, { RequestType: "Update" })).toMatchObject({ failed: false });
        const names = ["t4", "child", "parted_2", "mine"];
        expect(await ownersIn(db, names)).toEqual(all(names, `${role}_owner`));
        expect(await says("DELETE FROM t4")).toEqual(["23503"]);
        const dropped = { ...later, "6_drop.sql": "DROP TABLE child; DROP TABLE mine; DROP TABLE parted;" };
        expect(await stack.update(await deployable(dropped))).toMatchObject({ status: "SUCCESS" });
      });
    });

    test("a rollback with onRollback: down undoes what a role owns by then", async () => {
      const { deployable } = aws();
      const down = { onRollback: "down" } as const;
      await withRole(aws(), async ({ ask, stack, db }) => {
        await stack.update(await deployable(OBJECTS, down));
        await ask(owner);
        await stack.update(await deployable({ ...OBJECTS, ...LATER }, down));
        await ask(owner);
        expect(await stack.rollBack("old code")).toMatchObject({
          status: "SUCCESS",
          data: { Head: "3_objects" },
        });
        expect(await ownersIn(db, ["t4", "child"])).toEqual({});
      });
    });

    test("a role that was an owner gives all back when its access becomes write, and takes it again", async () => {
      await withRole(aws(), async ({ ask, says, db, role }) => {
        await ask(owner);
        await says("CREATE TABLE mine (id int)");
        expect(await ask({ Access: "write" }, { RequestType: "Update" })).toMatchObject({ failed: false });
        expect(await ownersIn(db, ["t1", "s1", "mine"])).toEqual(all(["t1", "s1", "mine"], db.owner));
        expect(
          await says("INSERT INTO t1 VALUES (1)", "ALTER TABLE t1 ADD b int", "CREATE TABLE c ()"),
        ).toEqual([...["ok", DENIED, DENIED]]);
        expect(await ask({ Access: "read" })).toMatchObject({ failed: false });
        expect(await says("SELECT * FROM t1", "INSERT INTO t1 VALUES (1)")).toEqual(["ok", DENIED]);
        expect(await ask(owner)).toMatchObject({ failed: false });
        expect(await ownersIn(db, ["t1", "mine"])).toEqual(all(["t1", "mine"], `${role}_owner`));
        expect(await says("TRUNCATE t1", "ALTER TABLE t1 ADD b int")).toEqual(["ok", "ok"]);
      });
    });

    test("a role cannot stay the owner by changing its own settings", async () => {
      await withRole(aws(), async ({ ask, says, db, role }) => {
        await ask(owner);
        expect(await says("SET ROLE NONE", `ALTER ROLE ${role} RESET role`)).toEqual(["ok", "ok"]);
        expect(await ask({ Access: "write" })).toMatchObject({ failed: false });
        expect(await ownersIn(db, ["t1"])).toEqual({ t1: db.owner });
        expect(await says(`SET ROLE ${role}_owner`, "ALTER TABLE t1 ADD b int")).toEqual([DENIED, DENIED]);
      });
    });

    test("another role reads what an owner has, and what it gets later", async () => {
      const { deployable, services, secrets } = aws();
      await withRole(aws(), async ({ ask, stack, db, role }) => {
        const reader = `${role}_reader`;
        const Secret = `${ROLE_SECRET_ARN}-reader`;
        const text = secretText(reader, secrets.make("reader"));
        services.secrets.put(Secret, () => ({ kind: "text", text }));
        const askReader = () => ask({ Role: reader, Secret }, { LogicalResourceId: "Reader" });
        try {
          await ask(owner);
          expect(await askReader()).toMatchObject({ failed: false });
          await stack.update(
            await deployable({ ...OBJECTS, "3_objects.sql": sql("CREATE TABLE later (id int);") }),
          );
          const answers = [await ask(owner), await askReader(), await ask(owner)];
          expect(answers.map(({ failed }) => failed)).toEqual([false, false, false]);
          const rights = await db.query(
            `SELECT name, has_table_privilege($1, name, 'SELECT') AS reads, has_table_privilege($1, name, 'INSERT') AS writes
             FROM unnest(ARRAY['t1', 'later']) AS name`,
            [reader],
          );
          expect(rights).toEqual(["t1", "later"].map((name) => ({ name, reads: true, writes: false })));
        } finally {
          await dropRoles(db, reader);
        }
      });
    });

    test("a role with access: owner is the same after a request that comes twice at the same time", async () => {
      await withRole(aws(), async ({ ask, says }) => {
        const answers = await Promise.all([ask(owner), ask(owner)]);
        expect(answers.map(({ failed }) => failed)).toEqual([false, false]);
        expect(await says("TRUNCATE t1")).toEqual(["ok"]);
      });
    });

    test("a role does not become the owner of what belongs to another user, or is in another schema", async () => {
      await withRole(aws(), async ({ ask, db }) => {
        await db.query("CREATE TABLE foreign_one (id int); CREATE SCHEMA other");
        const [{ user } = { user: "" }] = await db.query<{ user: string }>('SELECT current_user AS "user"');
        expect(await ask(owner)).toMatchObject({ failed: false });
        expect(await ownersIn(db, ["foreign_one"])).toEqual({ foreign_one: user });
      });
    });

    test("a role is not made the owner half when its group is somebody else's or may create nothing", async () => {
      await withRole(aws(), async ({ ask, db, role }) => {
        await db.query(`CREATE ROLE ${role}_owner`);
        expect(JSON.stringify((await ask(owner)).payload)).toMatch(
          new RegExp(
            `AUTH: the role ${role}_owner exists, and is not this construct's.*Give the construct another roleName`,
          ),
        );
        await db.query(`DROP ROLE ${role}_owner`);
        await db.query("CREATE SCHEMA closed; CREATE TABLE closed.t (id int)");
        const { payload } = await ask({ ...owner, Schemas: ["public", "closed"] });
        expect(JSON.stringify(payload)).toMatch(
          /permission denied for schema closed .*What to do: .* WITH GRANT OPTION/,
        );
        expect(await ownersIn(db, ["t1"])).toEqual({ t1: db.owner });
        expect(await db.query("SELECT FROM pg_roles WHERE rolname LIKE $1", [`${role}%`])).toEqual([]);
      });
    });
  });
