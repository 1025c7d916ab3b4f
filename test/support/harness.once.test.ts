import { describe, expect, test } from "@jest/globals";
import { createDatabase, withDatabase } from "./database.ts";
import { pgMajor, testServer } from "./postgres.ts";

describe("the test harness", () => {
  test("a test runs on the major version of its project", async () => {
    await withDatabase(async (db) => {
      const [row] = await db.query<{ version: number }>(
        "SELECT current_setting('server_version_num')::int / 10000 AS version",
      );
      expect(row?.version).toBe(pgMajor());
    });
  });

  test("every test has a database of its own, which is dropped", async () => {
    const names: string[] = [];
    for (let i = 0; i < 2; i++) {
      await withDatabase(async (db) => {
        names.push(db.name);
        await db.query("CREATE TABLE t ()");
      });
    }
    expect(new Set(names).size).toBe(2);
    expect(await existing(names)).toEqual([]);
  });

  test("the database of a test that fails is kept", async () => {
    let name = "";
    const failing = withDatabase(async (db) => {
      name = db.name;
      throw new Error("on purpose");
    });
    await expect(failing).rejects.toThrow("on purpose");
    expect(await existing([name])).toEqual([name]);
    const db = await createDatabase();
    await db.query(`DROP DATABASE ${name}`);
    await db.drop();
  });

  test("a test reads the statements that the server logged for its database", async () => {
    await withDatabase(async (db) => {
      await db.query("SELECT 'before'");
      await db.enableStatementLog();
      const client = await db.client();
      await client.query("SELECT 'two\nlines, \"quoted\" and ü'");
      await client.query("SELECT $1::text", ["extended"]);
      await db.query("SELECT 'of the harness'");
      expect(await db.logged()).toEqual(["SELECT 'two\nlines, \"quoted\" and ü'", "SELECT $1::text"]);
    });
  });

  test("a database that others are connected to is dropped", async () => {
    const db = await createDatabase();
    const other = await createDatabase();
    const client = await db.client();
    await client.query("BEGIN");
    await other.query("SELECT 1");
    await Promise.all([db.drop(), other.drop()]);
    expect(await existing([db.name, other.name])).toEqual([]);
  });

  test("one server is found however often it is asked for", async () => {
    const servers = await Promise.all([testServer(), testServer(), testServer()]);
    expect(new Set(servers.map(({ port }) => port)).size).toBe(1);
  });
});

async function existing(names: readonly string[]): Promise<string[]> {
  const db = await createDatabase();
  try {
    const rows = await db.query<{ datname: string }>(
      "SELECT datname FROM pg_database WHERE datname = ANY ($1)",
      [names],
    );
    return rows.map(({ datname }) => datname);
  } finally {
    await db.drop();
  }
}
