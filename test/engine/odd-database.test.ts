import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, openMigrator, userTables } from "../support/migrator.ts";
import { file, withRole } from "./fixtures.ts";

const DIR = {
  "1_a.sql": file("a"),
  "2_b.sql": `-- migrate: no-transaction\n${file("b")}`,
  "3_c.js":
    "exports.up = async (pgm) => { await pgm.db.query('SELECT 1'); pgm.createTable('c', { i: 'int' }); };\nexports.down = (pgm) => pgm.dropTable('c');",
};
const NAMES = ["1_a", "2_b", "3_c"];

describe("a role that takes another role when it logs in", () => {
  it("the run migrates as that role and owns its records, although the role inherits nothing", () =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        const owner = `owner_${db.name}`;
        await db.query(
          `CREATE ROLE ${owner}; ALTER ROLE ${role} NOINHERIT; GRANT ${owner} TO ${role};
           ALTER ROLE ${role} IN DATABASE ${db.name} SET role = ${owner}; GRANT ALL ON SCHEMA public TO ${owner}`,
        );
        if ((await majorOf(db)) >= 16)
          await db.query(`GRANT ${owner} TO ${role} WITH INHERIT FALSE, SET TRUE`);
        try {
          const migrator = await openMigrator(db, writeFolder(DIR), {}, { connection });
          await migrator.up();
          await migrator.redo({ count: 3 });
          expect(await appliedNames(db)).toEqual(NAMES);
          const owners = await db.query(
            "SELECT DISTINCT tableowner AS name FROM pg_tables WHERE schemaname = 'public'",
          );
          expect(owners).toEqual([{ name: owner }]);
          await migrator.down({ count: 3 });
          expect(await userTables(db)).toEqual([]);
        } finally {
          await db.query(`DROP OWNED BY ${owner} CASCADE; DROP ROLE ${owner}`);
        }
      }),
    ));
});

describe("a role with low timeouts and limits", () => {
  it.each([
    ["idle_session_timeout", "30ms", 14],
    ["transaction_timeout", "200ms", 17],
    ["statement_timeout", "200ms", 14],
    ["idle_in_transaction_session_timeout", "30ms", 14],
  ])("the setting %s = %s of a role does not end a run", (name, value, since) =>
    withDatabase((db) =>
      withRole(db, async (role, connection) => {
        if ((await majorOf(db)) < since) return;
        await db.query(`ALTER ROLE ${role} SET ${name} = '${value}'; GRANT ALL ON SCHEMA public TO ${role}`);
        const dir = writeFolder({
          ...DIR,
          "4_d.js":
            "exports.up = async (pgm) => { await pgm.db.query('SELECT pg_sleep(0.3)'); await new Promise((r) => setTimeout(r, 100)); pgm.sql('SELECT 1'); };\nexports.down = false;",
        });
        await (await openMigrator(db, dir, {}, { connection })).up();
        expect(await appliedNames(db)).toEqual([...NAMES, "4_d"]);
      }),
    ),
  );
});

describe("a database with casts of its own", () => {
  it("every command works with casts from text to integer and casts that call themselves", () =>
    withDatabase(async (db) => {
      for (const [from, to] of [
        ["text", "integer"],
        ["text", "bigint"],
        ["text", "uuid"],
        ["bigint", "text"],
        ["uuid", "text"],
        ["varchar", "integer"],
      ]) {
        await db.query(
          `CREATE FUNCTION cast_${from}_${to}(${from}) RETURNS ${to} LANGUAGE plpgsql IMMUTABLE AS
             'BEGIN RAISE ''the cast from ${from} to ${to} was called''; END';
           CREATE CAST (${from} AS ${to}) WITH FUNCTION cast_${from}_${to}(${from})`,
        );
      }
      const migrator = await openMigrator(db, writeFolder(DIR));
      await migrator.up();
      await migrator.status();
      await migrator.planDown();
      expect((await migrator.history()).entries).toHaveLength(3);
      await migrator.redo({ batch: true });
      await migrator.down({ count: 3 });
      expect(await appliedNames(db)).toEqual([]);
    }));
});

async function majorOf(db: TestDatabase): Promise<number> {
  const [row] = await db.query<{ version: string }>(
    "SELECT current_setting('server_version_num') AS version",
  );
  return Math.floor(Number(row?.version) / 10_000);
}
