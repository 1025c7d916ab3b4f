import { describe, expect, it } from "@jest/globals";
import pg from "pg";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { file, withRole } from "./fixtures.ts";

describe("a role that may create objects on the search path", () => {
  it("the engine runs none of the operators of such a role", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        await db.query(`GRANT CREATE, USAGE ON SCHEMA public TO ${role}`);
        const evil = new pg.Client({ ...connection, ssl: false });
        await evil.connect();
        for (const [left, right] of [
          ["text", "varchar"],
          ["varchar", "varchar"],
          ["varchar", "text"],
          ["oid", "regnamespace"],
          ["oid", "regclass"],
          ["numeric", "int4"],
          ["bigint", "int4"],
        ]) {
          await evil.query(
            `CREATE FUNCTION public.op(${left}, ${right}) RETURNS boolean LANGUAGE plpgsql AS
             'BEGIN EXECUTE ''ALTER ROLE ${role} CREATEROLE''; RETURN true; END';
             CREATE OPERATOR public.= (LEFTARG = ${left}, RIGHTARG = ${right}, FUNCTION = public.op)`,
          );
        }
        await evil.end();
        const dir = writeFolder({
          "1_a.sql": file("a"),
          "2_b.sql": "-- migrate: no-transaction\nCREATE TABLE b ();",
        });
        const migrator = await openMigrator(db, dir);
        await migrator.baseline();
        await migrator.up();
        await migrator.status();
        await migrator.history({ migration: "1_a" });
        await migrator.down({}, "fake");
        await migrator.down();
        const [attacker] = await db.query(`SELECT rolcreaterole FROM pg_roles WHERE rolname = '${role}'`);
        expect(attacker).toEqual({ rolcreaterole: false });
      }),
    ));

  it("such a role cannot put its own table in the place of the engine's", () =>
    withDatabase((db) =>
      withRole(db, async (role) => {
        await db.query(
          `CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255), run_on timestamp); ALTER TABLE pgmigrations OWNER TO ${role}`,
        );
        const error = await failureOf((await openMigrator(db, writeFolder({ "1_a.sql": file("a") }))).up());
        expect(error).toMatchObject({ code: "UNTRUSTED_HISTORY" });
        expect(await userTables(db)).toEqual([]);
      }),
    ));
});

describe("a user with few rights", () => {
  it("a user with few rights learns which right is missing, not which statement of the engine failed", () =>
    withDatabase((db) =>
      withRole(db, async (_role, connection) => {
        await db.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        const migrator = await openMigrator(db, writeFolder({ "1_a.sql": file("a") }), {}, { connection });
        const error = await failureOf(migrator.up());
        expect(error).toMatchObject({ code: "SQL", details: { sqlstate: "42501" } });
        expect(error.message).toBe(
          "the tables of the engine cannot be made: permission denied for schema public",
        );
        expect(error.details.statement).toBeUndefined();
        expect(String(error.details.hint)).toContain("CREATE");
      }),
    ));

  it("a user of a read-only database learns that it is read-only", () =>
    withDatabase(async (db) => {
      await db.query(`ALTER DATABASE ${db.name} SET default_transaction_read_only = on`);
      const error = await failureOf((await openMigrator(db, writeFolder({ "1_a.sql": file("a") }))).up());
      expect(error).toMatchObject({ code: "SQL", details: { sqlstate: "25006" } });
      expect(String(error.details.hint)).toContain("read-only");
    }));

  it("a user who owns a database without being a superuser can run everything", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        await db.query(`ALTER DATABASE ${db.name} OWNER TO ${role}; GRANT ALL ON SCHEMA public TO ${role}`);
        const dir = writeFolder({ "1_a.sql": file("a"), "2_b.sql": file("b") });
        const migrator = await openMigrator(db, dir, {}, { connection });
        await migrator.up();
        await migrator.redo();
        const empty = await openMigrator(db, writeFolder({}), {}, { connection });
        expect(await empty.down({ count: 2 })).toMatchObject({ head: null });
        await db.query(`ALTER DATABASE ${db.name} OWNER TO CURRENT_USER`);
      }),
    ));

  it("a backfill of a table that the user may not read says so, with its place, in plan and up", () =>
    withDatabase(async (db) => {
      await withRole(db, async (role, connection) => {
        await db.query(`GRANT CREATE, USAGE ON SCHEMA public TO ${role}`);
        const fill = "-- migrate: backfill\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch;";
        const dir = writeFolder({ "1_fill.sql": fill });
        const migrator = await openMigrator(db, dir, {}, { connection });
        await migrator.baseline();
        await db.query("CREATE TABLE t (id int PRIMARY KEY, n int)");
        const details = { migration: "1_fill", sqlstate: "42501" };
        const [planned, failed] = [await failureOf(migrator.planUp({})), await failureOf(migrator.up())];
        expect(planned).toMatchObject({ code: "SQL", details });
        expect(failed).toMatchObject({ code: "SQL", details: { ...details, file: "1_fill.sql", line: 2 } });
        for (const { details } of [planned, failed]) expect(String(details.hint)).toContain("GRANT it");
      });
    }));
});
