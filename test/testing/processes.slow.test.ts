import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { resetLocal } from "../../lib/embedded/index.ts";
import {
  buildTemplate,
  dropTestDatabases,
  stopTestServer,
  type TemplateOptions,
  testDatabase,
} from "../../lib/testing.ts";
import { compiled } from "../support/compiled.ts";
import { addFiles } from "../support/folders.ts";
import { ask, databasesOf } from "./server.ts";

const WORKER = new URL("worker.ts", import.meta.url).pathname;
const TEMPLATES = "cdk_pg_migrate_template_";
const BUILDING = "cdk_pg_migrate_building_";

function start(options: TemplateOptions, count = 1): ChildProcess {
  const args = [compiled(WORKER), JSON.stringify(options), String(count)];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}

async function urlsOf(worker: ChildProcess): Promise<string[]> {
  if (worker.stdout === null) throw new Error("no output");
  return (await text(worker.stdout)).split("\n").filter((line) => line !== "");
}

/** The project has a server of its own, the embedded one: other tests would see what these delete. */
let project: string;
let server: string;
let folders = 0;

beforeAll(async () => {
  project = makeProject();
  const db = await testDatabase({ ...optionsFor({ "1_first.sql": "SELECT 1" }), server: "embedded" });
  server = Object.assign(new URL(db.url), { pathname: "postgres" }).href;
  await db.drop();
});

afterAll(async () => {
  await stopTestServer({ migrationsDir: project });
  await resetLocal({ projectDir: embeddedFolder() });
  rmSync(project, { recursive: true, force: true });
});

const embeddedFolder = () => join(project, "node_modules/.cache/cdk-pg-migrate/testing");

function makeProject(): string {
  const dir = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-testing-"));
  addFiles(dir, { "package.json": "{}" });
  mkdirSync(join(dir, "node_modules"));
  // As root, the server runs as another user.
  chmodSync(dir, 0o755);
  return dir;
}

function optionsFor(files: Readonly<Record<string, string>>) {
  folders += 1;
  const migrationsDir = join(project, `migrations-${folders}`);
  addFiles(migrationsDir, files);
  return { server: "embedded", migrationsDir };
}

const databases = (prefix: string) => databasesOf(server, prefix);

describe("test databases of many processes", () => {
  test("50 clones that ten processes want at once come from one template, which was built once", async () => {
    const options = optionsFor({
      "1_a.sql": "CREATE TABLE a ();",
      "2_slow.sql": "SELECT pg_sleep(0.3);",
    });
    const before = await databases(TEMPLATES);
    const workers = Array.from({ length: 10 }, () => start(options, 5));
    const urls = (await Promise.all(workers.map(urlsOf))).flat();
    try {
      expect(new Set(urls).size).toBe(50);
      expect((await databases(TEMPLATES)).length).toBe(before.length + 1);
      // The time of the one build is in the history of each clone.
      const builds = await Promise.all(
        urls.map((url) => ask(url, "SELECT run_on::text AS at FROM pgmigrations WHERE name = '1_a'")),
      );
      expect(new Set(builds.flat().map(({ at }) => at)).size).toBe(1);
    } finally {
      const names = urls.map((url) => new URL(url).pathname.slice(1));
      for (const name of names) await ask(server, `DROP DATABASE ${name}`);
    }
  });

  test("what a killed builder leaves is not cloned, and the next process builds the template", async () => {
    const options = optionsFor({
      "1_a.sql": "CREATE TABLE a ();",
      "2_slow.sql": "SELECT pg_sleep(600);",
    });
    const before = new Set(await databases(BUILDING));
    const builder = start(options);
    let half: unknown;
    while (half === undefined) {
      await sleep(20);
      half = (await databases(BUILDING)).find((name) => !before.has(name));
    }
    const halfUrl = Object.assign(new URL(server), { pathname: String(half) }).href;
    await until(async () => (await ask(halfUrl, RUNNING)).length > 0);
    builder.kill("SIGKILL");
    await once(builder, "exit");
    const killed = await testDatabaseOf({ ...options, ignorePattern: "2_.*" });
    expect(killed).toEqual(["1_a"]);
    // Neither does the half-built one of this very content become a template.
    addFiles(options.migrationsDir, { "2_slow.sql": "SELECT pg_sleep(0);" });
    expect(await testDatabaseOf(options)).toEqual(["1_a", "2_slow"]);
    expect(await databases(String(half))).toEqual([half]);
    await ask(server, `DROP DATABASE ${half} WITH (FORCE)`);
  });

  test("a template that another process deletes is built again", async () => {
    const options = optionsFor({ "1_a.sql": `SELECT ${Date.now()}` });
    const before = new Set(await databases(TEMPLATES));
    await buildTemplate(options);
    const [name] = (await databases(TEMPLATES)).filter((one) => !before.has(one));
    await ask(server, `DROP DATABASE ${name}`);
    expect(await testDatabaseOf(options)).toEqual(["1_a"]);
  });

  test("of the templates of one folder the newest five stay", async () => {
    const options = optionsFor({ "1_a.sql": "SELECT 0" });
    const own = new Set<unknown>();
    for (let edit = 1; edit <= 7; edit++) {
      const before = new Set(await databases(TEMPLATES));
      addFiles(options.migrationsDir, { "1_a.sql": `SELECT ${edit}, ${Date.now()}` });
      await buildTemplate(options);
      for (const name of await databases(TEMPLATES)) if (!before.has(name)) own.add(name);
    }
    expect((await databases(TEMPLATES)).filter((name) => own.has(name))).toHaveLength(5);
  });

  test("dropTestDatabases deletes kept databases and templates, but none that a session is connected to", async () => {
    const options = optionsFor({ "1_a.sql": `SELECT ${Date.now()}, 'drop'` });
    const [kept, used] = [await testDatabase(options), await testDatabase(options)];
    await kept.keep("failed");
    const session = ask(used.url, "SELECT pg_sleep(2)");
    await until(async () => (await ask(used.url, RUNNING)).length > 0);
    const dropped = await dropTestDatabases(options);
    expect(dropped).toContain(kept.name);
    expect(await databases(used.name)).toEqual([used.name]);
    await session;
    await used.drop();
  });

  test("stopTestServer leaves a server that another run uses, and a stopped one starts when a test asks", async () => {
    const options = optionsFor({ "1_a.sql": "SELECT 2" });
    const db = await testDatabase(options);
    const session = ask(db.url, "SELECT pg_sleep(2)");
    await until(async () => (await ask(db.url, RUNNING)).length > 0);
    await stopTestServer(options);
    await session;
    await stopTestServer(options);
    await expect(ask(db.url, "SELECT 1")).rejects.toThrow("ECONNREFUSED");
    expect(await testDatabaseOf(options)).toEqual(["1_a"]);
  });
});

const RUNNING =
  "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_sleep' AND pid <> pg_backend_pid()";

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

/** Names of the migrations in a new test database. */
async function testDatabaseOf(options: TemplateOptions): Promise<unknown[]> {
  const db = await testDatabase(options);
  try {
    return (await ask(db.url, "SELECT name FROM pgmigrations ORDER BY id")).map(({ name }) => name);
  } finally {
    await db.drop();
  }
}
