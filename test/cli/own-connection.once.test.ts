import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import {
  addMigrations,
  environmentOf,
  jsonOf,
  type Outcome,
  runInOwnProcess,
  writeProject,
} from "./command.ts";

const PG = pathToFileURL(createRequire(import.meta.url).resolve("pg")).href;

/** A migration as some projects have them: it asks the database through a client of its own. */
const ownClient = ({ connection }: TestDatabase): string => `import pg from ${JSON.stringify(PG)};
const { host, port, database, user, password } = ${JSON.stringify(connection)};
async function query(text: string) {
  const client = new pg.Client({ host, port, database, user, password });
  await client.connect();
  await client.query(text);
  await client.end();
}
export async function up() {
  await query("CREATE TABLE IF NOT EXISTS users (id int)");
}
export async function down() {
  await query("DROP TABLE IF EXISTS users");
}
`;

/** What plain node-pg-migrate leaves behind, with rows in the table. */
const MIGRATED = `CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
  INSERT INTO pgmigrations (name, run_on) VALUES ('1_users', now());
  CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2), (3)`;

const rowsOf = async (db: TestDatabase) => (await db.query("SELECT FROM users")).length;

describe("a database with migrations that open their own connections", () => {
  it("up adopts the database with all its rows and calls no function of an applied migration [G25]", () =>
    withDatabase(async (db) => {
      await db.query(MIGRATED);
      const project = writeProject({ "1_users.ts": ownClient(db) });
      const run = (...args: string[]) => runInOwnProcess(project, args, environmentOf(db.connection));
      for (const args of [["status"], ["up"], ["plan"], ["up"], ["repair"], ["lint"], ["status"]])
        expect([args, (await run(...args)).code]).toEqual([args, 0]);
      expect(await rowsOf(db)).toBe(3);
      expect((await run("verify")).stdout).toContain("opens a connection of its own");
      expect(await rowsOf(db)).toBe(3);
    }));

  it("baseline declares the database with all its rows, and repair accepts an edit [G25]", () =>
    withDatabase(async (db) => {
      await db.query(`${MIGRATED}; DROP TABLE pgmigrations`);
      const project = writeProject({ "1_users.ts": ownClient(db) });
      const run = (...args: string[]) => runInOwnProcess(project, args, environmentOf(db.connection));
      expect(await run("baseline", "--to", "1_users")).toMatchObject({ code: 0, stderr: "" });
      addMigrations(project, { "1_users.ts": `${ownClient(db)}export const more = 1;` });
      expect((await run("up")).stderr).toContain("Error CHANGED in 1_users");
      expect((await run("repair")).code).toBe(0);
      expect((await run("up")).code).toBe(0);
      expect(await rowsOf(db)).toBe(3);
    }));

  it("up refuses such a migration, and names it with file and line before anything runs", () =>
    withDatabase(async (db) => {
      const project = writeProject({
        "1_a.sql": "CREATE TABLE a ();",
        "2_users.ts": ownClient(db),
      });
      const outcome = await runInOwnProcess(project, ["up"], environmentOf(db.connection));
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain("Error MIGRATION in 2_users");
      const { host, port } = db.connection;
      expect(outcome.stderr).toContain(
        `migration 2_users opens a connection of its own (${host}:${port}) (2_users.ts:5)`,
      );
      expect(outcome.stderr).toContain("Use pgm.db for queries");
      expect(await userTables(db)).toEqual([]);
    }));

  it("down undoes nothing when it would open a connection, and says so", () =>
    withDatabase(async (db) => {
      await db.query(MIGRATED);
      const project = writeProject({ "1_users.ts": ownClient(db) });
      const outcome = await runInOwnProcess(project, ["down"], environmentOf(db.connection));
      expect(outcome).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("(2_users.ts:5)".replace("2_", "1_")),
      });
      expect(await rowsOf(db)).toBe(3);
      expect(await appliedNames(db)).toEqual(["1_users"]);
    }));

  it("up applies a migration whose down alone opens a connection, and records that undoing needs the file", () =>
    withDatabase(async (db) => {
      const text = ownClient(db)
        .replace(/await query\("CREATE.*/, "")
        .replace("up()", "up(pgm: any)");
      const project = writeProject({
        "1_users.ts": text.replace(
          "up(pgm: any) {",
          "up(pgm: any) { pgm.sql('CREATE TABLE users (id int)');",
        ),
      });
      const outcome = await runInOwnProcess(project, ["up"], environmentOf(db.connection));
      expect(outcome.code).toBe(0);
      expect(outcome.stdout).toContain("the SQL to undo 1_users cannot be recorded");
      expect(await userTables(db)).toEqual(["users"]);
      const [row] = await db.query<{ note: string }>("SELECT note, down_sql FROM pgmigrations_history");
      expect(row).toMatchObject({
        note: expect.stringContaining("opens a connection of its own"),
        down_sql: null,
      });
    }));
});

const BUILT = (statements: string, head = ""): string =>
  `${head}\nexport async function up(pgm: any) { pgm.sql("CREATE TABLE a ()");\n${statements}\n}\nexport const down = false;`;

const WAYS: readonly (readonly [what: string, text: (port: number) => string])[] = [
  [
    "a socket",
    (port) =>
      BUILT(`net.connect(${port}, "127.0.0.1").on("error", () => {});`, 'import net from "node:net";'),
  ],
  [
    "a socket by a named import",
    (port) => BUILT(`createConnection(${port});`, 'import { createConnection } from "net";'),
  ],
  [
    "a Unix socket",
    () => BUILT('net.connect("/tmp/.s.PGSQL.5432").on("error", () => {});', 'import net from "node:net";'),
  ],
  [
    "TLS",
    (port) => BUILT(`tls.connect({ port: ${port} }).on("error", () => {});`, 'import tls from "node:tls";'),
  ],
  [
    "HTTP",
    (port) =>
      BUILT(`http.get("http://127.0.0.1:${port}/").on("error", () => {});`, 'import http from "node:http";'),
  ],
  ["fetch", (port) => BUILT(`await fetch("http://127.0.0.1:${port}/").catch(() => {});`)],
  [
    "UDP",
    (port) => BUILT(`dgram.createSocket("udp4").send("x", ${port});`, 'import dgram from "node:dgram";'),
  ],
  [
    "an error it catches",
    (port) => BUILT(`try { net.connect(${port}); } catch {}`, 'import net from "node:net";'),
  ],
  [
    "a timer",
    (port) =>
      BUILT(
        `setTimeout(() => net.connect(${port}), 0); await new Promise((r) => setTimeout(r, 50));`,
        'import net from "node:net";',
      ),
  ],
  ["an import", (port) => BUILT("", `import net from "node:net";\nconst socket = net.connect(${port});`)],
  ["a required module", (port) => BUILT(`require("node:net").connect(${port});`)],
  [
    "a child process",
    () =>
      BUILT("await new Promise((done) => exec('true', done));", 'import { exec } from "node:child_process";'),
  ],
  [
    "a synchronous child process",
    () => BUILT("execFileSync('true');", 'import { execFileSync } from "node:child_process";'),
  ],
  [
    "a thread",
    () => BUILT("new Worker('0', { eval: true });", 'import { Worker } from "node:worker_threads";'),
  ],
  [
    "a client whose failure to connect it does not look at",
    () =>
      BUILT(
        "const client = new pg.Client(); client.connect().catch(() => {}); await client.query('SELECT 1');",
        `import pg from ${JSON.stringify(PG)};`,
      ),
  ],
  [
    "a socket that it waits for without an end",
    (port) =>
      BUILT(
        `net.connect(${port}).on("error", () => {}); await new Promise(() => {});`,
        'import net from "node:net";',
      ),
  ],
  [
    "a socket made from Node's internals",
    () => BUILT("const { TCP } = (process as any).binding('tcp_wrap'); new TCP(0);"),
  ],
  [
    "a process made from Node's internals",
    () => BUILT("(process as any).binding('spawn_sync').spawn({ file: '/bin/true', args: [] });"),
  ],
];

it("lint does not wait for a client that a migration keeps between two tries to load it", () =>
  withDatabase(async (db) => {
    const project = writeProject({
      "1_a.ts": `import pg from ${JSON.stringify(PG)};
const shared: any = globalThis;
if (shared.client === undefined) await (shared.client = new pg.Client()).connect();
export async function up() { await shared.client.query("SELECT 1"); }
export const down = false;`,
    });
    const outcome = await runInOwnProcess(project, ["lint", "--all"], environmentOf(db.connection));
    expect(outcome).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("opens a connection of its own"),
    });
  }));

/** The error about a migration that reaches the outside, with its line. */
const REACHES_OUT =
  /(opens a connection of its own|starts a (process|thread) of its own|uses Node's internals).*\(1_a\.ts:\d\)/;

describe("a function that is built", () => {
  // Each takes a process: code that reaches the outside ends the command.
  it.each(chosenCases(WAYS, 4))("the function of a migration cannot reach the outside by %s", (_what, text) =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.ts": text(db.connection.port) });
      const outcome: Outcome = await runInOwnProcess(project, ["up", "--json"], environmentOf(db.connection));
      expect([outcome.code, outcome.stderr]).toEqual([1, expect.anything()]);
      expect(jsonOf(outcome)).toMatchObject({
        ok: false,
        error: { code: "MIGRATION", migration: "1_a", message: expect.stringMatching(REACHES_OUT) },
      });
      expect(await userTables(db)).toEqual([]);
    }),
  );
});
