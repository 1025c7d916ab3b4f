import { tmpdir } from "node:os";
import { describe, expect, test } from "@jest/globals";
import { renderVerify, withHint } from "../../lib/cli/commands/verify.ts";
import { chooseScratch } from "../../lib/cli/settings/target.ts";
import { scratchOn } from "../../lib/review/verify/index.ts";
import { environmentOf, jsonOf, runCommand, until, writeProject } from "../cli/command.ts";
import { createIo } from "../cli/process-io.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { chosenCases } from "../support/postgres.ts";
import { statuses, verify } from "./verify-run.ts";

/** A role as an administrator left it: with a password, a member of another, with a setting and a comment. */
async function withRole(test: (db: TestDatabase, role: string) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    const role = `app_${db.name}`;
    await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'set-by-ops' IN ROLE pg_monitor`);
    await db.query(`ALTER ROLE ${role} SET work_mem = '8MB'`);
    await db.query(`COMMENT ON ROLE ${role} IS 'by ops'`);
    await db.query(`ALTER DATABASE ${db.name} SET work_mem = '9MB'`);
    await db.query(`GRANT CONNECT ON DATABASE ${db.name} TO ${role}`);
    try {
      await test(db, role);
    } finally {
      await db.query(`REVOKE ALL ON DATABASE ${db.name} FROM ${role}`);
      await db.query(`DROP ROLE ${role}`);
    }
  });
}

/** Everything about that role and that database which is not in the database itself. */
async function shared(db: TestDatabase, role: string): Promise<unknown> {
  return db.query(
    `SELECT r.*, (SELECT array_agg(m::text ORDER BY m::text) FROM pg_auth_members AS m WHERE m.member = r.oid) AS members,
       (SELECT array_agg(s::text ORDER BY s::text) FROM pg_db_role_setting AS s WHERE s.setrole = r.oid OR s.setdatabase = d.oid) AS settings,
       (SELECT array_agg(c::text ORDER BY c::text) FROM pg_shdescription AS c WHERE c.objoid IN (r.oid, d.oid)) AS comments,
       d.datacl, d.datconnlimit, (SELECT array_agg(spcname ORDER BY spcname) FROM pg_tablespace) AS tablespaces,
       current_setting('work_mem') AS "server setting"
     FROM pg_authid AS r, pg_database AS d WHERE r.rolname = $1 AND d.datname = $2`,
    [role, db.name],
  );
}

const UNDONE = "\n-- Down Migration\nSELECT 1;\n";
const NO_TRANSACTION = "-- migrate: no-transaction\n";

/** Ways to change the server, by what they are. */
function ways(role: string, database: string): Record<string, string> {
  const inBlock = (sql: string) => `DO $$ BEGIN ${sql} END $$;${UNDONE}`;
  const inModule = (code: string) =>
    `export const up = async (pgm) => { ${code} };\nexport const down = (pgm) => pgm.sql("SELECT 1");`;
  return {
    "1_alter_role.sql": `ALTER ROLE ${role} PASSWORD 'x';${UNDONE}`,
    "1_alter_user.sql": `ALTER USER ${role} NOLOGIN;${UNDONE}`,
    "1_drop_down.sql": `CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a; DROP ROLE IF EXISTS ${role};`,
    "1_find_or_create.sql": `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN CREATE ROLE ${role} LOGIN; END IF; END $$;\n-- Down Migration\nDROP ROLE IF EXISTS ${role};`,
    "1_block.sql": inBlock(`ALTER ROLE ${role} PASSWORD NULL;`),
    "1_dynamic_block.sql": inBlock(`EXECUTE 'al' || 'ter ro' || 'le ${role} password null';`),
    "1_member_block.sql": inBlock(`EXECUTE format('REV' || 'OKE pg_monitor FROM %I', '${role}');`),
    "1_setting_block.sql": inBlock(`EXECUTE 'ALTER RO' || 'LE ${role} RESET work_mem';`),
    "1_comment_block.sql": inBlock(`EXECUTE 'COMMENT ON RO' || 'LE ${role} IS NULL';`),
    "1_database_setting_block.sql": inBlock(`EXECUTE 'ALTER DATA' || 'BASE ${database} RESET ALL';`),
    "1_database_grant_block.sql": inBlock(`EXECUTE 'REVOKE ALL ON DATA' || 'BASE ${database} FROM ${role}';`),
    "1_function.sql": `CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE ${role} NOLOGIN; END $$; SELECT f();\n-- Down Migration\nDROP FUNCTION f();`,
    "1_trigger.sql": `CREATE TABLE a (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE ${role} NOLOGIN; RETURN NEW; END $$; CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO a VALUES (1);\n-- Down Migration\nDROP TABLE a; DROP FUNCTION f();`,
    "1_outside_block.sql": `${NO_TRANSACTION}${inBlock(`ALTER ROLE ${role} PASSWORD NULL;`)}`,
    "1_outside_commits.sql": `${NO_TRANSACTION}${inBlock(`ALTER ROLE ${role} PASSWORD NULL; COMMIT;`)}`,
    "1_outside_own.sql": `${NO_TRANSACTION}BEGIN; DO $$ BEGIN ALTER ROLE ${role} PASSWORD NULL; END $$; COMMIT;${UNDONE}`,
    "1_outside_second.sql": `${NO_TRANSACTION}CREATE TABLE kept (); DO $$ BEGIN EXECUTE 'ALTER RO' || 'LE ${role} PASSWORD NULL'; END $$;${UNDONE}`,
    "1_outside_deferred.sql": `${NO_TRANSACTION}CREATE TABLE a (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE ${role} NOLOGIN; RETURN NEW; END $$; CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO a VALUES (1);\n-- Down Migration\nDROP TABLE a; DROP FUNCTION f();`,
    "1_system.sql": `${NO_TRANSACTION}ALTER SYSTEM SET work_mem = '5MB';${UNDONE}`,
    "1_database.sql": `${NO_TRANSACTION}DROP DATABASE IF EXISTS ${database};${UNDONE}`,
    "1_database_set.sql": `ALTER DATABASE ${database} SET work_mem = '1MB';${UNDONE}`,
    "1_database_comment.sql": `COMMENT ON DATABASE ${database} IS 'mine';${UNDONE}`,
    "1_member.sql": `REVOKE pg_monitor FROM ${role};${UNDONE}`,
    "1_owned.sql": `DROP OWNED BY ${role};${UNDONE}`,
    "1_builder.js": inModule(`pgm.alterRole("${role}", { password: "x" })`),
    "1_builder_drop.js": `export const up = (pgm) => pgm.createTable("a", { id: "id" });\nexport const down = (pgm) => { pgm.dropTable("a"); pgm.dropRole("${role}", { ifExists: true }); };`,
    "1_asks.js": inModule(`await pgm.db.query("ALTER ROLE ${role} PASSWORD NULL")`),
    "1_asks_hidden.js": inModule(
      `await pgm.db.query("DO $$ BEGIN EXECUTE 'ALTER RO' || 'LE ${role} PASSWORD NULL'; END $$")`,
    ),
    "1_asks_outside.js": inModule(
      `pgm.noTransaction(); await pgm.db.query("DO $$ BEGIN ALTER ROLE ${role} PASSWORD NULL; END $$")`,
    ),
    "1_asks_then_outside.js": inModule(
      `await pgm.db.query("DO $$ BEGIN ALTER ROLE ${role} PASSWORD NULL; END $$"); pgm.noTransaction(); await pgm.db.query("SELECT 1")`,
    ),
    "1_asks_and_catches.js": inModule(
      `await pgm.db.query("ALTER ROLE ${role} PASSWORD NULL").catch(() => {})`,
    ),
    "1_program.sql": `COPY (SELECT 1) TO PROGRAM 'true';${UNDONE}`,
    "1_program_block.sql": inBlock("EXECUTE 'COPY (SELECT 1) TO PROGRAM ''true''';"),
    "1_terminate.sql": `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}';${UNDONE}`,
    "1_terminate_block.sql": inBlock(
      `PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}';`,
    ),
    "1_terminate_function.sql": `CREATE FUNCTION stop() RETURNS void LANGUAGE sql AS $$ SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' $$; SELECT stop();\n-- Down Migration\nDROP FUNCTION stop();`,
  };
}

describe("verify on a server that others use", () => {
  test("verify stops a migration that changes the server and reports it as unchecked [G18]", () =>
    withRole(async (db, role) => {
      const before = await shared(db, role);
      const after = "CREATE TABLE next ();\n-- Down Migration\nDROP TABLE next;";
      const chosen = Object.fromEntries(chosenCases(Object.entries(ways(role, db.name)), 3));
      const report = await verify(db, writeFolder({ ...chosen, "2_next.sql": after }));
      const checked = statuses(report).filter((line) => !line.endsWith(" unchecked"));
      expect(checked).toEqual(["2_next reversible"]);
      expect(report.ok).toBe(false);
      expect(await shared(db, role)).toEqual(before);
    }));

  test("verify checks migrations that only mention roles and databases", () =>
    withRole(async (db, role) => {
      const dir = writeFolder({
        "1_a.sql": `CREATE SCHEMA s AUTHORIZATION ${role}; CREATE TABLE s.a (id int); ALTER TABLE s.a OWNER TO ${role}; GRANT SELECT ON s.a TO ${role};\n-- Down Migration\nDROP TABLE s.a; DROP SCHEMA s;`,
        "2_defaults.sql": `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT SELECT ON TABLES TO PUBLIC;\n-- Down Migration\nALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE SELECT ON TABLES FROM PUBLIC;`,
        "3_own_database.sql":
          "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$;\n-- Down Migration\nDO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$;",
        "4_rolled_back.sql": `DO $$ BEGIN BEGIN ALTER ROLE ${role} NOLOGIN; RAISE EXCEPTION 'back'; EXCEPTION WHEN raise_exception THEN NULL; END; END $$; CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;`,
        "5_user.sql": `CREATE TABLE c ("user" text, role text DEFAULT 'CREATE ROLE x'); INSERT INTO c VALUES ('DROP DATABASE x', 'ALTER SYSTEM'); SET LOCAL ROLE ${role}; RESET ROLE;\n-- Down Migration\nDROP TABLE c;`,
        "6_concurrently.sql": `${NO_TRANSACTION}CREATE INDEX CONCURRENTLY c_user ON c ("user"); DO $$ BEGIN PERFORM 1; END $$;\n-- Down Migration\nDROP INDEX CONCURRENTLY c_user;`,
        "7_asks.js": `export const up = async (pgm) => { pgm.noTransaction(); await pgm.db.query("CREATE INDEX CONCURRENTLY c_role ON c (role)"); await pgm.db.query("SELECT $1::int", [1]); };\nexport const down = (pgm) => { pgm.noTransaction(); pgm.sql("DROP INDEX CONCURRENTLY c_role"); };`,
      });
      const report = await verify(db, dir);
      expect(statuses(report).filter((line) => !line.endsWith(" reversible"))).toEqual([]);
      expect(report.ok).toBe(true);
    }));

  test("verify does not attribute concurrent changes of settings by others to a migration", () =>
    withRole(async (db, role) => {
      const set = (value: string) =>
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I ${value}', current_database()); PERFORM pg_sleep(0.2); END $$;`;
      const dir = writeFolder({
        "1_own_setting.sql": `${set("SET work_mem = ''8MB''")}\n-- Down Migration\n${set("RESET work_mem")}`,
      });
      const dropped = `dropped_${db.name}`;
      await db.query(`CREATE DATABASE ${dropped}`);
      await db.query(`COMMENT ON DATABASE ${dropped} IS 'mine'`);
      const report = verify(db, dir);
      const sleeping =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname LIKE 'cdk_pg_migrate_scratch%'";
      await until(async () => (await db.query(sleeping)).length > 0, "the migration sleeps");
      await db.query(`ALTER ROLE ${role} SET work_mem = '7MB'`);
      await db.query(`COMMENT ON ROLE ${role} IS 'changed'`);
      await db.query(`DROP DATABASE ${dropped}`);
      expect(statuses(await report)).toEqual(["1_own_setting reversible"]);
    }));

  test("verify does not check migrations that depend on an unchecked one, but checks the others", () =>
    withRole(async (db, role) => {
      const dir = writeFolder({
        "1_role.sql": `CREATE ROLE new_${role};\n-- Down Migration\nDROP ROLE new_${role};`,
        "2_grant.sql": `CREATE TABLE a (); GRANT SELECT ON a TO new_${role};\n-- Down Migration\nDROP TABLE a;`,
        "3_fine.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
        "4_left.sql": "CREATE TABLE c ();\n-- Down Migration\nSELECT 1;",
        "5_fine.sql": "CREATE TABLE d ();\n-- Down Migration\nDROP TABLE d;",
      });
      const report = await verify(db, dir);
      expect(statuses(report)).toEqual([
        "1_role unchecked",
        "2_grant unchecked",
        "3_fine reversible",
        "4_left failed",
        "5_fine reversible",
      ]);
      const text = renderVerify(withHint(report)).join("\n");
      expect(text).toContain("not checked 1_role: it changes more than its own database: CREATE ROLE");
      expect(text).toContain("because 1_role was not run");
      expect(text).toContain("SHADOW_DATABASE_URL");
      expect(text).toContain("1 failed, 2 not checked");
    }));

  test("verify runs migrations that change the server on a server without other users", () =>
    withDatabase(async (db) => {
      const role = `new_${db.name}`;
      const dir = writeFolder({
        "1_role.sql": `CREATE ROLE ${role};\n-- Down Migration\nDROP ROLE ${role};`,
      });
      const report = await verify(db, dir, { scratch: scratchOn(db.connection, { fenced: false }) });
      await db.query(`DROP ROLE ${role}`);
      expect(statuses(report)).toEqual(["1_role reversible"]);
    }));

  test("only a shadow database on the configured server is fenced", async () => {
    const fenced = async (env: Record<string, string>) => {
      const { scratch } = await chooseScratch({ ...createIo(undefined, env), cwd: tmpdir() }, {});
      return scratch.fenced;
    };
    const settings = { DATABASE_HOST: "localhost", DATABASE_PORT: "5999" };
    const shadow = (host: string) => ({
      SHADOW_DATABASE_URL: `postgres://u:p@${host}/shadow?sslmode=disable`,
    });
    expect(await fenced({ ...settings })).toBe(true);
    expect(await fenced({ ...settings, ...shadow("127.0.0.1:5999") })).toBe(true);
    expect(await fenced({ ...settings, ...shadow("127.0.0.1:6000") })).toBe(false);
    expect(await fenced({ ...settings, ...shadow("db.example:5999") })).toBe(false);
    expect(await fenced(shadow("127.0.0.1:5432"))).toBe(false);
  });

  test("verify stops a migration that changes roles without being a superuser", () =>
    withRole(async (db, role) => {
      const user = `migrator_${db.name}`;
      await db.query(`CREATE ROLE ${user} LOGIN PASSWORD 'plain' CREATEDB CREATEROLE`);
      await db.query(`GRANT ${role} TO ${user} WITH ADMIN OPTION`);
      try {
        const before = await shared(db, role);
        const block = `DO $$ BEGIN EXECUTE 'ALTER RO' || 'LE ${role} PASSWORD NULL'; END $$;${UNDONE}`;
        const scratch = scratchOn({ ...db.connection, user, password: "plain" });
        const report = await verify(db, writeFolder({ "1_a.sql": block }), { scratch });
        expect(report.migrations).toMatchObject([
          { status: "unchecked", reason: expect.stringContaining("roles") },
        ]);
        expect(await shared(db, role)).toEqual(before);
      } finally {
        await db.query(`DROP ROLE ${user}`);
      }
    }));

  test("the command exits with 3 and says how to check unchecked migrations", () =>
    withRole(async (db, role) => {
      const project = writeProject({ "1_role.sql": `ALTER ROLE ${role} NOLOGIN;${UNDONE}` });
      const run = (...args: string[]) => runCommand(project, args, environmentOf(db.connection));
      const { code, stdout } = await run("verify");
      expect(code).toBe(3);
      expect(stdout).toContain("not checked 1_role");
      expect(stdout).toContain("--local");
      const json = await run("verify", "--json");
      expect(jsonOf(json)).toMatchObject({
        ok: false,
        migrations: [{ name: "1_role", status: "unchecked" }],
      });
    }));
});
