import { describe, expect, it } from "@jest/globals";
import { type Fate, startProxy } from "../faults/proxy.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { file, withRole } from "./fixtures.ts";

const FILES = { "1_a.sql": file("a"), "2_b.sql": file("b") };
const PLAIN_TABLE =
  "CREATE TABLE pgmigrations (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL); INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now()); CREATE TABLE a ();";

/** Rights to the engine's tables and their sequences of all but their owners, one line each. */
async function othersRights(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ line: string }>(
    `SELECT c.relname || ': ' || string_agg(a.privilege_type, ' ' ORDER BY 1) AS line
     FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a
     WHERE c.relname LIKE 'pgmigrations%' AND a.grantee <> c.relowner GROUP BY c.relname ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
}

describe("a table of plain node-pg-migrate that the engine takes over", () => {
  it("the table may belong to a group that the user is a member of", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        const group = `group_${db.name}`;
        await db.query(`CREATE ROLE ${group}; GRANT ${group} TO ${role}; GRANT ALL ON SCHEMA public TO ${group};
          SET ROLE ${group}; ${PLAIN_TABLE} RESET ROLE`);
        try {
          const migrator = await openMigrator(db, writeFolder(FILES), {}, { connection });
          await migrator.up();
          await migrator.status();
          await migrator.redo({ count: 1 });
          expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
        } finally {
          await db.query(`DROP OWNED BY ${group} CASCADE; DROP ROLE ${group}`);
        }
      }),
    ));

  it("the table may have row security without a policy, as linters of hosted databases ask for", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        await db.query(`GRANT ALL ON SCHEMA public TO ${role}; SET ROLE ${role}; ${PLAIN_TABLE}
          ALTER TABLE pgmigrations ENABLE ROW LEVEL SECURITY; RESET ROLE`);
        const dir = writeFolder(FILES);
        const migrator = await openMigrator(db, dir, {}, { connection });
        await migrator.up();
        expect((await migrator.status()).counts).toMatchObject({ applied: 2, pending: 0 });
      }),
    ));

  it("rights on a table that was granted with all tables are revoked, except for reading, and the run says so", () =>
    withDatabase((db) =>
      withRole(db, async (role) => {
        await db.query(`${PLAIN_TABLE} GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};
          GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}; GRANT UPDATE (name) ON pgmigrations TO PUBLIC`);
        const migrator = await openMigrator(db, writeFolder(FILES));
        await migrator.up();
        expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
        expect(await othersRights(db)).toEqual(["pgmigrations: SELECT", "pgmigrations_id_seq: SELECT USAGE"]);
        const warnings = migrator.events.filter(({ type }) => type === "warning");
        expect(JSON.stringify(warnings)).toContain(`TABLE public.pgmigrations FROM ${role} CASCADE`);
        expect(JSON.stringify(warnings)).toContain(
          "REVOKE UPDATE (name) ON TABLE public.pgmigrations FROM PUBLIC",
        );
      }),
    ));
});

describe("rights of others to the engine's tables", () => {
  it("rights from default privileges are revoked by the first run, except for reading", () =>
    withDatabase((db) =>
      withRole(db, async (role) => {
        await db.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${role}, PUBLIC;
          ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO ${role}`);
        await (await openMigrator(db, writeFolder(FILES))).up();
        expect(await othersRights(db)).toEqual([
          "pgmigrations: SELECT SELECT",
          "pgmigrations_id_seq: SELECT",
        ]);
      }),
    ));

  it("rights that a migration grants on all tables are revoked when it is applied, and down works", () =>
    withDatabase((db) =>
      withRole(db, async (role) => {
        const dir = writeFolder({
          "1_a.sql": `CREATE TABLE a (); GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};\n-- Down Migration\nDROP TABLE a;`,
        });
        const migrator = await openMigrator(db, dir);
        await migrator.up();
        expect(await othersRights(db)).toEqual(["pgmigrations: SELECT", "pgmigrations_history: SELECT"]);
        await migrator.down();
        expect(await userTables(db)).toEqual([]);
      }),
    ));

  it.each([
    "UPDATE ON pgmigrations",
    "DELETE ON pgmigrations",
    "UPDATE (id) ON pgmigrations",
    "UPDATE ON SEQUENCE pgmigrations_id_seq",
    "INSERT ON pgmigrations_history",
  ])("the right %s stops commands that undo, and the error names the statement that revokes it", (right) =>
    withDatabase((db) =>
      withRole(db, async (role) => {
        const migrator = await openMigrator(db, writeFolder(FILES));
        await migrator.up();
        await db.query(`GRANT ${right} TO ${role}`);
        for (const undo of [() => migrator.down(), () => migrator.redo(), () => migrator.planDown()]) {
          const error = await failureOf(undo());
          expect(error).toMatchObject({ code: "UNTRUSTED_HISTORY" });
          const [, revoke = ""] = /(REVOKE .*);$/.exec(String(error.details.hint)) ?? [];
          expect(revoke).toContain(`FROM ${role}`);
          if (undo.toString().includes("planDown")) await db.query(revoke);
        }
        expect(await userTables(db)).toEqual(["a", "b"]);
        await migrator.down();
        expect(await userTables(db)).toEqual(["a"]);
      }),
    ),
  );

  it("the right to read is enough for status, plan and history", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        const dir = writeFolder(FILES);
        await withOwner(db, async (owner) => {
          await (await openMigrator(db, dir, {}, { connection: owner })).up();
          await db.query(
            `GRANT USAGE ON SCHEMA public TO ${role}; GRANT SELECT ON pgmigrations, pgmigrations_history TO ${role}`,
          );
          const monitor = await openMigrator(db, dir, {}, { connection });
          expect((await monitor.status()).counts).toMatchObject({ applied: 2 });
          expect((await monitor.planUp()).steps).toEqual([]);
          expect((await monitor.history()).entries).toHaveLength(2);
          expect(
            await failureOf((await openMigrator(db, dir, {}, { connection })).up({ count: 1 })),
          ).toMatchObject({
            code: "UNTRUSTED_HISTORY",
          });
        });
      }),
    ));

  it.each(["status", "history"] as const)(
    "the error of %s without the right to read names the missing rights, without SQL of the engine",
    (command) =>
      withDatabase((db) =>
        withRole(db, async (_role, connection) => {
          const dir = writeFolder(FILES);
          await (await openMigrator(db, dir)).up();
          const error = await failureOf((await openMigrator(db, dir, {}, { connection }))[command]());
          expect(error).toMatchObject({ code: "SQL", details: { sqlstate: "42501" } });
          expect(error.message).toContain("the record of migrations cannot be read: permission denied");
          expect(String(error.details.hint)).toContain(
            'GRANT SELECT ON "public"."pgmigrations", "public"."pgmigrations_history"',
          );
          expect(error.details.statement).toBeUndefined();
        }),
      ),
  );
});

/** A role that may create in schema `public`, and is neither its owner nor the database's. */
async function withOwner(db: TestDatabase, test: (connection: TestDatabase["connection"]) => Promise<void>) {
  const owner = `owner_${db.name}`;
  await db.query(`CREATE ROLE ${owner} LOGIN PASSWORD 'weak'; GRANT ALL ON SCHEMA public TO ${owner}`);
  try {
    await test({ ...db.connection, user: owner, password: "weak" });
  } finally {
    await db.query(`DROP OWNED BY ${owner} CASCADE; DROP ROLE ${owner}`);
  }
}

describe("a table that is exchanged after it was checked", () => {
  const EVIL =
    "CREATE FUNCTION evil() RETURNS varchar LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'attacker code ran'; RETURN '1_a'; END$$; CREATE FUNCTION evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'attacker code ran'; RETURN NEW; END$$";

  it.each([
    [
      "by a view, before it is read",
      "status",
      /LOCK TABLE/,
      "ALTER TABLE pgmigrations RENAME TO old; CREATE VIEW pgmigrations AS SELECT 1 AS id, evil() AS name, now()::timestamp AS run_on",
    ],
    [
      "by another table, before it is read",
      "status",
      /LOCK TABLE/,
      "ALTER TABLE pgmigrations RENAME TO old; CREATE TABLE pgmigrations AS SELECT * FROM old",
    ],
    [
      "by another table, before it is written",
      "up",
      /CREATE TABLE b/,
      "ALTER TABLE pgmigrations_history RENAME TO old; CREATE TABLE pgmigrations_history AS SELECT * FROM old",
    ],
    [
      "or gets a trigger, before it is written",
      "up",
      /CREATE TABLE b/,
      "CREATE TRIGGER evil BEFORE INSERT ON pgmigrations FOR EACH ROW EXECUTE FUNCTION evil_trigger()",
    ],
    [
      "or gets a trigger, before a statement outside a transaction is recorded",
      "up",
      /CREATE TABLE c/,
      "CREATE TRIGGER evil BEFORE UPDATE ON pgmigrations_history FOR EACH ROW EXECUTE FUNCTION evil_trigger()",
    ],
  ] as const)(
    "a table that is exchanged %s, is refused, and none of its code runs [G26]",
    (_how, command, when, sql) =>
      withDatabase(async (db) => {
        const dir = writeFolder({ "1_a.sql": file("a") });
        await (await openMigrator(db, dir)).up();
        await db.query(EVIL);
        addFiles(dir, { "2_b.sql": file("b"), "3_c.sql": "-- migrate: no-transaction\nCREATE TABLE c ()" });
        let attacked = false;
        const proxy = await startProxy(db.connection, async ({ text }): Promise<Fate> => {
          if (!attacked && when.test(text)) {
            attacked = true;
            await db.query(sql);
          }
          return "pass";
        });
        try {
          const migrator = await openMigrator(db, dir, {}, { connection: proxy.connection });
          const error = await failureOf(migrator[command]());
          expect(error).toMatchObject({ code: "UNTRUSTED_HISTORY" });
          expect(error.message).toContain("exchanged");
          expect(JSON.stringify(migrator.events)).not.toContain("attacker code ran");
        } finally {
          await proxy.close();
        }
      }),
  );
});
