import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, jest, test } from "@jest/globals";
import pg from "pg";
import { databaseTest, type TestDatabase, testDatabase } from "../../lib/testing.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf } from "../support/migrator.ts";
import { ask, databases, serverUrl } from "./server.ts";

const USERS = { "1_users.sql": "CREATE TABLE users (name text);\n-- Down Migration\nDROP TABLE users;" };

async function optionsFor(files: Readonly<Record<string, string>> = USERS) {
  return { server: await serverUrl(), migrationsDir: writeFolder(files) };
}

/** A database that is dropped when the test is done with it. */
async function using(
  options: Parameters<typeof testDatabase>[0],
  use: (db: TestDatabase) => Promise<void>,
): Promise<void> {
  const db = await testDatabase(options);
  await use(db).finally(() => db.drop());
}

const applied = async ({ url }: TestDatabase) =>
  (await ask(url, "SELECT name FROM pgmigrations ORDER BY id")).map(({ name }) => name);

describe("a test database", () => {
  test("a test database has the migrations, in SQL and in TypeScript, and is dropped", async () => {
    const options = await optionsFor({
      ...USERS,
      "2_orders.ts": `export const up = (pgm) => pgm.createTable("orders", { id: "id" });`,
    });
    let name = "";
    await using(options, async (db) => {
      name = db.name;
      expect(await applied(db)).toEqual(["1_users", "2_orders"]);
      expect(await ask(db.url, "SELECT * FROM users, orders")).toEqual([]);
    });
    expect(await databases(name)).toEqual([]);
  });

  test("what one test writes is not in the database of another", async () => {
    const options = await optionsFor();
    await using(options, (one) =>
      using(options, async (other) => {
        await ask(one.url, "INSERT INTO users VALUES ('me')");
        expect(await ask(other.url, "SELECT * FROM users")).toEqual([]);
      }),
    );
  });

  test("URL, config and variables name the same database", async () => {
    await using(await optionsFor(), async ({ name, url, config, env }) => {
      expect(new URL(url).pathname).toBe(`/${name}`);
      expect(config).toMatchObject({ database: name, ssl: false, port: Number(new URL(url).port) });
      expect(env).toMatchObject({ DATABASE_URL: url, PGDATABASE: name, PGPASSWORD: config.password });
    });
  });

  test("a container of testcontainers is a server", async () => {
    const uri = await serverUrl();
    const options = { ...(await optionsFor()), server: { getConnectionUri: () => uri } };
    await using(options, async (db) => expect(await applied(db)).toEqual(["1_users"]));
  });

  test("the tests of a coding agent need no approval, on a server on another machine either", async () => {
    const server = (await serverUrl()).replace("127.0.0.1", "0.0.0.0");
    process.env["CLAUDECODE"] = "1";
    try {
      const fresh = { "1_users.sql": `CREATE TABLE users_${Date.now()} ();` };
      await using({ ...(await optionsFor(fresh)), server }, async (db) =>
        expect(await applied(db)).toEqual(["1_users"]),
      );
    } finally {
      Reflect.deleteProperty(process.env, "CLAUDECODE");
    }
  });

  test("a session that is about to end is not cut off when its database is dropped", async () => {
    const db = await testDatabase(await optionsFor());
    const client = new pg.Client(db.config);
    const errors: Error[] = [];
    client.on("error", (error) => errors.push(error));
    await client.connect();
    const ended = setTimeout(200).then(() => client.end());
    await db.drop();
    await ended;
    expect(errors).toEqual([]);
    expect(await databases(db.name)).toEqual([]);
  });

  test("a database is dropped although a session stays open", async () => {
    const db = await testDatabase(await optionsFor());
    const client = new pg.Client(db.config);
    client.on("error", () => {});
    await client.connect();
    await db.drop();
    expect(await databases(db.name)).toEqual([]);
  });

  test("an asynchronous dispose drops a test database", async () => {
    const db = await testDatabase(await optionsFor());
    await db[Symbol.asyncDispose]();
    expect(await databases(db.name)).toEqual([]);
  });

  test("a migration that was edited between two tests is in the second", async () => {
    const options = await optionsFor();
    await using(options, async () => {});
    addFiles(options.migrationsDir, { "1_users.sql": "CREATE TABLE people (name text);" });
    await using(options, async (db) => expect(await ask(db.url, "SELECT * FROM people")).toEqual([]));
  });

  test("options of the engine hold in a test database, and missing schemas are created", async () => {
    const options = { ...(await optionsFor()), schema: ["shop"], migrationsTable: "done" };
    await using(options, async (db) => {
      expect(
        await ask(db.url, "SELECT name FROM shop.done, (SELECT FROM shop.users HAVING true) AS u"),
      ).toEqual([{ name: "1_users" }]);
    });
  });
});

describe("a prepared template", () => {
  test("rows of a preparation are in every test database, and it runs once for each key", async () => {
    const runs: string[] = [];
    const options = await optionsFor();
    const prepared = (key: string) => ({
      ...options,
      prepare: {
        key,
        run: async (client: { query(text: string, values?: unknown[]): Promise<unknown> }) => {
          runs.push(key);
          await client.query("INSERT INTO users VALUES ($1)", [key]);
        },
      },
    });
    // The server keeps the templates of an earlier run.
    const [a, b] = [randomUUID(), randomUUID()];
    for (const key of [a, a, b])
      await using(prepared(key), async (db) => {
        expect(await ask(db.url, "SELECT name FROM users")).toEqual([{ name: key }]);
      });
    expect(runs).toEqual([a, b]);
  });

  test("a preparation that throws leaves no template", async () => {
    const before = await databases("cdk_pg_migrate_building_");
    const run = () => Promise.reject(new Error("no seed"));
    const failing = testDatabase({ ...(await optionsFor()), prepare: { key: "x", run } });
    await expect(failing).rejects.toThrow("no seed");
    expect(await databases("cdk_pg_migrate_building_")).toEqual(before);
  });
});

describe("databaseTest", () => {
  test("a test function has no parameters for a runner to see, and passes on what the runner gives", async () => {
    const seen: unknown[] = [];
    const run = databaseTest(await optionsFor())(async (db, context: string) => {
      seen.push(context, await applied(db));
    });
    expect(run).toHaveLength(0);
    await run("context");
    expect(seen).toEqual(["context", ["1_users"]]);
  });

  test("the database of a failed test is kept and named, with the test's name as its comment", async () => {
    const written = jest.spyOn(process.stderr, "write").mockReturnValue(true);
    let db: TestDatabase | undefined;
    const failing = databaseTest(await optionsFor())(async (own, _context: { name: string }) => {
      db = own;
      throw new Error("on purpose");
    });
    try {
      await expect(failing({ name: "adds a user" })).rejects.toThrow("on purpose");
      const kept = db ?? { name: "", url: "", drop: async () => {} };
      const output = written.mock.calls.join("");
      expect(output).toContain(kept.name);
      expect(output).not.toContain(new URL(kept.url).password);
      const comment =
        "SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = current_database()";
      expect(await ask(kept.url, comment)).toEqual([{ comment: expect.stringContaining(": adds a user") }]);
      await kept.drop();
    } finally {
      written.mockRestore();
    }
  });
});

describe("a test database that cannot be made", () => {
  test("a folder that does not exist is refused before anything is created", async () => {
    const refused = await failureOf(testDatabase({ server: await serverUrl(), migrationsDir: "/no/such" }));
    expect(refused).toMatchObject({ code: "USAGE", message: expect.stringContaining("/no/such") });
  });

  test("a migration that fails is named in the message, with its line, its SQL and what to do", async () => {
    const options = await optionsFor({ ...USERS, "2_bad.sql": "\nALTER TABLE nothing ADD x int;" });
    const refused = await failureOf(testDatabase(options));
    expect(refused.code).toBe("SQL");
    expect(refused.message).toMatch(
      /migration 2_bad failed\n.*relation "nothing" does not exist\n.*2_bad\.sql:2\n/,
    );
    expect(refused.message).toContain("ALTER TABLE nothing ADD x int");
    expect(refused.details).toMatchObject({ migration: "2_bad", sqlstate: "42P01" });
  });

  test("a server that does not answer is named, without the password", async () => {
    const options = { ...(await optionsFor()), server: "postgres://me:s3cret@127.0.0.1:1/postgres" };
    const refused = await failureOf(testDatabase(options));
    expect(refused).toMatchObject({ code: "CONNECTION", message: expect.stringContaining("127.0.0.1:1") });
    expect(refused.message).not.toContain("s3cret");
  });

  test("a user without CREATEDB is told the statement that gives the right", async () => {
    const role = `weak_${process.pid}_${Date.now()}`;
    const url = await serverUrl();
    await ask(url, `CREATE ROLE ${role} LOGIN PASSWORD 'weak'`);
    const server = new URL(url);
    Object.assign(server, { username: role, password: "weak" });
    try {
      const refused = await failureOf(testDatabase({ ...(await optionsFor()), server: server.href }));
      expect(refused.code).toBe("TEST_DATABASE");
      expect(refused.message).toContain(`ALTER ROLE "${role}" CREATEDB`);
    } finally {
      await ask(url, `DROP ROLE ${role}`);
    }
  });

  test("a folder that does not exist is refused with what to do", async () => {
    const migrationsDir = join(writeFolder({}), "nowhere");
    const refused = await failureOf(testDatabase({ ...(await optionsFor()), migrationsDir }));
    expect(refused.code).toBe("USAGE");
    expect(refused.message).toContain("or name another one with the option migrationsDir");
  });

  test("a URL that is none is refused by the name of its setting", async () => {
    const refused = await failureOf(testDatabase({ ...(await optionsFor()), server: "localhost:5432" }));
    expect(refused).toMatchObject({
      code: "USAGE",
      message: expect.stringMatching(/^the option server must begin with/),
    });
  });
});
