import { describe, expect, test } from "@jest/globals";
import pg from "pg";
import { diffCatalogs, readCatalog } from "../../lib/review/catalog/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { CORPUS, RARE } from "./catalog-corpus.ts";

const OWN = { exclude: {} };

describe("the catalogue", () => {
  test("the catalogue of an empty database contains only the schema public", () =>
    withDatabase(async (db) => {
      expect((await readCatalog(await db.client(), OWN)).objects).toEqual([
        { kind: "schema", name: "public", definition: ["CREATE SCHEMA IF NOT EXISTS public;"] },
      ]);
    }));

  test("the catalogue shows every kind of object, and nothing after it is dropped", () =>
    withDatabase(async (db) => {
      const client = await db.client();
      let before = await readCatalog(client, OWN);
      for (const { name, up, down } of [...CORPUS, ...RARE]) {
        await client.query(up);
        const after = await readCatalog(client, OWN);
        expect([name, diffCatalogs(before, after)]).not.toEqual([name, ""]);
        await client.query(down);
        expect([name, diffCatalogs(before, await readCatalog(client, OWN))]).toEqual([name, ""]);
        await client.query(up);
        before = await readCatalog(client, OWN);
        expect([name, diffCatalogs(after, before)]).toEqual([name, ""]);
      }
    }));

  test("reading the catalogue needs no special rights and shows no passwords", () =>
    withDatabase(async (db) => {
      for (const { up } of [...CORPUS, ...RARE]) await db.query(up);
      await withRole(db, async (role, client) => {
        const { objects } = await readCatalog(client, OWN);
        const [owner] = await db.query<{ name: string }>("SELECT current_user AS name");
        const account = objects.find(({ kind, name }) => kind === "table" && name === "public.account");
        expect(account?.definition).toContain(`ALTER TABLE public.account OWNER TO ${owner?.name};`);
        expect(JSON.stringify(objects)).not.toContain("secret-1");
        expect(role).not.toBe(owner?.name);
      });
    }));

  test("the catalogue excludes the engine's tables under their configured names", () =>
    withDatabase(async (db) => {
      const folder = writeFolder({ "1_a.sql": "CREATE TABLE a (id serial)" });
      await db.query("CREATE SCHEMA ours");
      const before = await readCatalog(await db.client(), OWN);
      const options = { migrationsSchema: "ours", migrationsTable: "Done" };
      await (await openMigrator(db, folder, options)).up();
      const after = await readCatalog(await db.client(), { exclude: options });
      const titles = diffCatalogs(before, after)
        .split("\n")
        .filter((line) => !line.startsWith(" "));
      expect(titles).toEqual(["+ sequence public.a_id_seq", "+ table public.a"]);
    }));

  test("the catalogue shows grants and other owners, but not the name of the reader", () =>
    withDatabase(async (db) => {
      await withRole(db, async (role) => {
        await db.query("CREATE TABLE a (id int, b int)");
        const client = await db.client();
        const before = await readCatalog(client, OWN);
        await db.query(`GRANT SELECT ON a TO ${role} WITH GRANT OPTION; GRANT ALL ON a TO PUBLIC;
          GRANT INSERT (b) ON a TO ${role}; ALTER SCHEMA public OWNER TO CURRENT_USER; COMMENT ON SCHEMA public IS NULL`);
        const diff = diffCatalogs(before, await readCatalog(client, OWN));
        for (const line of [
          `GRANT SELECT ON TABLE public.a TO ${role} WITH GRANT OPTION;`,
          "GRANT ALL ON TABLE public.a TO PUBLIC;",
          `GRANT INSERT (b) ON TABLE public.a TO ${role};`,
          "ALTER SCHEMA public OWNER TO CURRENT_USER;",
          "COMMENT ON SCHEMA public IS NULL;",
        ]) {
          expect(diff).toContain(`    + ${line}`);
        }
      });
    }));

  test("the catalogue can be limited to some schemas", () =>
    withDatabase(async (db) => {
      await db.query("CREATE SCHEMA one; CREATE TABLE one.a (); CREATE SCHEMA two; CREATE TABLE two.b ()");
      const { objects } = await readCatalog(await db.client(), { schemas: ["two"] });
      expect(objects.map(({ name }) => name)).toEqual(["two", "two.b"]);
    }));

  test("the catalogue marks an invalid index of a failed concurrent build", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)");
      await db.query("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)").catch(() => undefined);
      const { objects } = await readCatalog(await db.client(), OWN);
      expect(objects.find(({ kind }) => kind === "index")?.definition).toContain(
        "-- This index is invalid: its concurrent build failed.",
      );
    }));
});

/** A role without rights, and a session of its own. */
async function withRole(
  db: TestDatabase,
  work: (role: string, client: pg.Client) => Promise<void>,
): Promise<void> {
  const role = `plain_${db.name}`;
  const { host, port, database } = db.connection;
  await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'`);
  const client = new pg.Client({ host, port, database, user: role, password: "plain", ssl: false });
  try {
    await client.connect();
    await work(role, client);
  } finally {
    await client.end();
    await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
}
