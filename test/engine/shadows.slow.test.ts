import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { closeClient } from "../../lib/postgres/index.ts";
import { connectTo } from "../../lib/review/catalog/index.ts";
import { dumpSchema } from "../../lib/review/dump/index.ts";
import { createDatabase, type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { file } from "./fixtures.ts";
import { waitFor } from "./locking.ts";

const PROOF = "attacker code ran";
/** Types that the engine's own SQL works with. */
const TYPES = `ARRAY['bool', 'char', 'name', 'int4', 'int8', 'oid', 'text', 'varchar', 'float8', 'numeric', 'jsonb', 'regclass',
  'regnamespace', 'timestamptz', 'interval', '_text']`;

/** What runs in place of the server's own; the row survives where the session is not watched and may write. */
const body = (result: string): string =>
  `BEGIN RAISE WARNING '${PROOF}: %', current_query(); BEGIN INSERT INTO public.proof VALUES (current_query()); EXCEPTION WHEN OTHERS THEN NULL; END; RETURN ${result}; END`;

/** Operators on all pairs of types, every function, type, table and view of the server again, all in schema public. */
const SHADOWS = `
DO $do$
DECLARE l regtype; r regtype; op text; p record;
BEGIN
  CREATE TABLE public.proof (what text);
  GRANT ALL ON public.proof TO PUBLIC;
  FOR l IN SELECT ('pg_catalog.' || quote_ident(t))::regtype FROM unnest(${TYPES}) AS t LOOP
    FOR r IN SELECT ('pg_catalog.' || quote_ident(t))::regtype FROM unnest(${TYPES}) AS t LOOP
      EXECUTE format('CREATE FUNCTION public.shadow_test(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', l, r, $b$${body("true")}$b$);
      EXECUTE format('CREATE FUNCTION public.shadow_value(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', l, r, l, $b$${body("NULL")}$b$);
      FOREACH op IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '~', '!~', '~*', '!~*', '~~', '@>'] LOOP
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.shadow_test)', op, l, r);
      END LOOP;
      FOREACH op IN ARRAY ARRAY['+', '-', '*', '/', '||', '<<', '->>', '#'] LOOP
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.shadow_value)', op, l, r);
      END LOOP;
    END LOOP;
  END LOOP;
  FOR p IN SELECT f.proname, pg_get_function_identity_arguments(f.oid) AS args, f.prorettype::regtype AS type FROM pg_proc AS f
           WHERE f.pronamespace = 'pg_catalog'::regnamespace AND f.prokind = 'f' AND NOT f.proretset AND f.provariadic = 0
             AND f.prorettype = ANY (SELECT ('pg_catalog.' || quote_ident(t))::regtype FROM unnest(${TYPES}) AS t)
             AND f.proname ~ '^[a-z_0-9]+$' LOOP
    BEGIN
      EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', p.proname, p.args, p.type, $b$${body("NULL")}$b$);
    EXCEPTION WHEN OTHERS THEN NULL; END;
  END LOOP;
  FOR p IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') LOOP
    BEGIN
      EXECUTE format('CREATE VIEW public.%I AS SELECT * FROM pg_catalog.%I WHERE public.shadow_test(1::oid, 1::oid)', p.relname, p.relname);
      EXECUTE format('GRANT SELECT ON public.%I TO PUBLIC', p.relname);
    EXCEPTION WHEN OTHERS THEN NULL; END;
  END LOOP;
  FOREACH op IN ARRAY ${TYPES} LOOP
    BEGIN
      EXECUTE format('CREATE DOMAIN public.%I AS pg_catalog.%I CHECK (public.shadow_test(1::oid, 1::oid))', op, op);
    EXCEPTION WHEN OTHERS THEN NULL; END;
  END LOOP;
END $do$;`;

let template: TestDatabase;
let role: string;

/** A role with the right to create puts its own objects before those of the server. */
async function createTemplate(): Promise<void> {
  template = await createDatabase();
  role = `weak_${template.name}`;
  await template.query(
    `CREATE ROLE ${role} LOGIN PASSWORD 'weak'; GRANT CREATE, USAGE ON SCHEMA public TO ${role}`,
  );
  const attacker = new pg.Client({ ...template.connection, user: role, password: "weak", ssl: false });
  await attacker.connect();
  await attacker.query("SET search_path = pg_catalog");
  await attacker.query(SHADOWS);
  await attacker.query("TRUNCATE public.proof");
  await attacker.end();
  await template.close();
}

async function dropTemplate(): Promise<void> {
  await template.drop();
  await withDatabase(async (db) => {
    await db.query(`DROP ROLE ${role}`);
  });
}

/** Runs a test with a copy of the template, in which every session finds the role's objects first. */
async function withShadows(
  test: (db: TestDatabase, evidence: () => Promise<unknown[]>) => Promise<void>,
): Promise<void> {
  await withDatabase(async (db) => {
    const watcher = await db.client();
    await watcher.query("SET search_path = pg_catalog");
    await db.query(`ALTER DATABASE ${db.name} SET search_path = public, pg_catalog`);
    await test(db, async () => (await watcher.query("SELECT what FROM public.proof")).rows);
  }, template.name);
}

const noticesOf = (migrator: Awaited<ReturnType<typeof openMigrator>>): unknown[] =>
  migrator.events.filter((event) => event.type === "notice" && event.message.includes(PROOF));

describe("operators, functions, types and tables of others that hide the server's own", () => {
  beforeAll(createTemplate);
  afterAll(dropTemplate);

  it("no command of the engine calls them", () =>
    withShadows(async (db, evidence) => {
      const dir = writeFolder({
        "1_a.sql": file("a"),
        "2_b.sql":
          "-- migrate: no-transaction\nCREATE TABLE b (i pg_catalog.int4); CREATE INDEX CONCURRENTLY IF NOT EXISTS b_i ON b (i);\n-- Down Migration\nDROP TABLE b;",
        "3_c.js":
          "exports.up = async (pgm) => { await pgm.db.query('CREATE TABLE c ()'); }; exports.down = (pgm) => pgm.sql('DROP TABLE c');",
      });
      const plain = await openMigrator(db, dir);
      await plain.baseline();
      await plain.up();
      await plain.status();
      await plain.forecast();
      await plain.history({ migration: "1_a", limit: 5 });
      await plain.planDown({ count: 3 });
      await plain.redo();
      await plain.down({ batch: true });
      await plain.up();
      addFiles(dir, { "1_a.sql": file("a").replace("a ()", "a /* changed */ (i pg_catalog.int4)") });
      const changed = await openMigrator(db, dir);
      await failureOf(changed.up());
      await changed.repair();
      expect((await changed.up()).run).toBeNull();
      expect([...noticesOf(plain), ...noticesOf(changed)]).toEqual([]);
      expect(await evidence()).toEqual([]);
    }));

  it("the query for the session that blocks a statement or holds the migration lock calls none of them", () =>
    withShadows(async (db, evidence) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE busy (i pg_catalog.int4)" });
      await (await openMigrator(db, dir)).baseline();
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "2_b.sql": "ALTER TABLE busy ADD j pg_catalog.int4" });
      const holder = await db.client();
      await holder.query("BEGIN; LOCK TABLE public.busy");
      const migrator = await openMigrator(db, dir, { lockTimeoutMs: 4_000, lockRetries: 0 });
      const running = failureOf(migrator.up());
      await waitFor(async () => migrator.events.some(({ type }) => type === "blocked"));
      const waiting = await openMigrator(db, dir, { lockWaitMs: 50, lockTimeoutMs: 50, lockRetries: 0 });
      expect(await failureOf(waiting.up())).toMatchObject({ code: "LOCK_HELD" });
      expect(await running).toMatchObject({ code: "LOCK_TIMEOUT" });
      expect([...noticesOf(migrator), ...noticesOf(waiting)]).toEqual([]);
      expect(await evidence()).toEqual([]);
    }));

  it("the search for an invalid index and its removal call none of them", () =>
    withShadows(async (db, evidence) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (i pg_catalog.int4); INSERT INTO a VALUES (1), (1)",
      });
      await (await openMigrator(db, dir)).baseline();
      await (await openMigrator(db, dir)).up();
      const unique = "-- migrate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY a_i ON a (i);";
      addFiles(dir, { "2_b.sql": unique });
      const migrator = await openMigrator(db, dir);
      await failureOf(migrator.up());
      await failureOf(migrator.resolve("2_b", "retry"));
      expect(noticesOf(migrator)).toEqual([]);
      expect(await evidence()).toEqual([]);
    }));

  it("a dump of the schema calls none of them", () =>
    withShadows(async (db, evidence) => {
      const client = await connectTo(db.connection);
      const notices: string[] = [];
      client.on("notice", ({ message = "" }) => notices.push(message));
      await dumpSchema(client, {});
      await closeClient(client);
      expect(notices.filter((text) => text.includes(PROOF))).toEqual([]);
      expect(await evidence()).toEqual([]);
    }));
});
