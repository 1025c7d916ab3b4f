import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { environmentOf, jsonOf, runCommand, startCommand, until } from "./command.ts";
import { ALL, HEAD, LIST, leftovers, openTestFleet, recordsOf, tenant, untilAsleep } from "./fleets.ts";

const CONTROL = /[^\P{Cc}\n]/u;

describe("fleet up", () => {
  it("migrates every schema but those that fail, names each of these with its reason, and later does the rest [G80]", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 8);
      await fleet.poison([tenant(3), tenant(6)]);
      const first = await fleet.run("up --tolerate 2");
      expect(first).toMatchObject({ code: 0, stderr: "" });
      expect(first.stdout).not.toMatch(CONTROL);
      const [line] = first.stdout.split("\n");
      const { host, port, user } = db.connection;
      expect(line).toBe(
        `8 targets of the query on ${host}:${port} as ${user} (from the environment), in 2 waves, a canary of 1, then 7`,
      );
      expect(first.stdout).toMatch(/✓ t001: 3 migrations, head is 3_orders \d/);
      expect(first.stdout).toMatch(/✗ t003: SQL in 2_mail: the schema is poisoned \d/);
      expect(first.stdout).toContain("2 failed: t003, t006\n  SQL in 2_mail: the schema is poisoned\n");
      expect(first.stdout).toMatch(/^Head {6}Targets {2}Pending\n3_orders {8}6 {8}0\n1_users {9}2 {8}2$/m);
      expect(first.stdout).toContain(
        "8 targets: 6 done, 2 failed. The same command goes on with what is left.",
      );
      await fleet.cure();
      expect((await fleet.run("up")).code).toBe(0);
      expect([...(await recordsOf(db)).values()]).toEqual(Array(8).fill(ALL));
      await until(async () => (await leftovers(db)) === 0, "the end of all sessions");
    }));

  it("a canary that fails leaves all other targets untouched [G81]", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 5);
      await fleet.poison([tenant(1)]);
      const ended = await fleet.run("up --tolerate 3 --canary 25%");
      expect(ended.code).toBe(1);
      expect(ended.stdout).toContain("✗ canary: 1 done, 1 failed");
      expect(ended.stdout).toContain("3 untouched: t003, t004, t005");
      const records = await recordsOf(db);
      expect([tenant(3), tenant(4), tenant(5)].map((name) => records.get(name))).toEqual([null, null, null]);
      expect(jsonOf(await fleet.run("up --canary t004 --canary t005 --only t005 --json"))).toMatchObject({
        ok: true,
        counts: { done: 1, failed: 0, untouched: 0 },
      });
    }));

  it("starts no more targets once more have failed than are tolerated, and says so in JSON", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 6);
      await fleet.poison([tenant(2), tenant(3)]);
      const ended = await fleet.run("up --tolerate 1 --concurrency 1 --json");
      expect(ended.code).toBe(1);
      const { targets, failed, versions, ...rest } = jsonOf(ended);
      expect(rest).toEqual({
        ok: false,
        command: "fleet",
        action: "up",
        counts: { done: 1, failed: 2, untouched: 3 },
      });
      expect(failed).toMatchObject([
        { target: "t002", code: "SQL", migration: "2_mail", head: "1_users", pending: 2, completed: 1 },
        { target: "t003" },
      ]);
      expect(versions).toEqual([
        { head: "1_users", count: 2, behind: 2 },
        { head: HEAD, count: 1, behind: 0 },
      ]);
      expect(targets).toContainEqual({ target: "t006", outcome: "untouched", completed: 0 });
    }));

  it("what a run only mentions is in the summary, with the targets that it is about", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 3);
      await fleet.run("up --only t001");
      await db.query("DELETE FROM t001.pgmigrations WHERE name = '1_users'; DROP TABLE t001.users CASCADE");
      const { code, stdout } = await fleet.run("up --order warn");
      expect(code).toBe(0);
      expect(stdout).toMatch(/! 1 with warnings: t001\n {2}.*1_users/);
    }));

  it("databases are targets too, and a name qualifies them where several have a schema", () =>
    withDatabase((one) =>
      withDatabase(async (two) => {
        const fleet = await openTestFleet(one, 1);
        await two.query("CREATE TABLE public.poison (tenant text, seconds int); CREATE SCHEMA t001");
        addFiles(fleet.project, {
          "targets.json": JSON.stringify([
            { database: two.name, schema: "t001" },
            { schema: "t001" },
            { name: "the second", database: two.name, schema: "extra" },
          ]),
        });
        const args = [
          "fleet",
          "up",
          "--targets",
          "targets.json",
          "--create-schema",
          "--canary",
          "the second",
        ];
        const { code, stdout } = await runCommand(fleet.project, args, environmentOf(one.connection));
        expect(code).toBe(0);
        expect(stdout).toContain("✓ the second: 3 migrations");
        expect(stdout).toContain(`✓ ${one.name}.t001: 3 migrations`);
        expect((await recordsOf(one)).get("t001")).toBe(ALL);
        expect((await recordsOf(two)).get("t001")).toBe(ALL);
      }),
    ));

  it("Ctrl-C rolls back what runs, starts nothing more, and says what is untouched", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 6);
      await fleet.poison([tenant(2), tenant(3)], 30);
      const args = ["fleet", "up", "--concurrency", "2", "--lock-wait", "20", "--targets", LIST];
      const command = startCommand(fleet.project, args, environmentOf(db.connection));
      await untilAsleep(db);
      command.send("SIGINT");
      const { code, stdout } = await command.ended;
      expect(code).toBe(130);
      expect(stdout).toContain("cancelling: ends what runs");
      expect(stdout).toContain("Cancelled: what ran was rolled back to the end of its last migration.");
      expect(stdout).toContain("3 untouched: t004, t005, t006");
      await until(async () => (await leftovers(db)) === 0, "the end of all sessions");
      const records = await recordsOf(db);
      expect(records.get("t001")).toBe(ALL);
      expect(records.get("t004")).toBeNull();
    }));

  it("for a coding agent, up of a fleet on another machine needs a person, and status does not", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 2);
      // Every address of the machine leads to the server; this one is no loopback address.
      const env = { CLAUDECODE: "1", DATABASE_HOST: "0.0.0.0" };
      expect(await fleet.run("up", env)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("fleet up needs the approval of a person"),
      });
      expect([...(await recordsOf(db)).values()]).toEqual([null, null]);
      expect((await fleet.run("status", env)).code).toBe(0);
      expect((await fleet.run("up", { CLAUDECODE: "1" })).code).toBe(0);
    }));
});

describe("fleet status and plan", () => {
  it("status counts the targets of each version, and with --check work is exit code 3", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 3);
      await fleet.run("up --only t001 --only t002");
      await db.query("UPDATE t002.pgmigrations SET name = '0_renamed' WHERE name = '1_users'");
      const shown = await fleet.run("status");
      expect(shown.code).toBe(0);
      expect(shown.stdout).toMatch(/^3_orders {17}2 {8}1\n\(nothing applied\) {8}1 {8}1$/m);
      expect(shown.stdout).toContain("1 would refuse to run: t002\n  MISSING: ");
      expect((await fleet.run("status --check")).code).toBe(3);
      expect(jsonOf(await fleet.run("status --check --json"))).toMatchObject({ ok: false, action: "status" });
      expect((await fleet.run("status --check --only t001")).code).toBe(0);
    }));

  it("plan shows the SQL of each group of targets once, and runs nothing", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 4);
      await fleet.run("up --only t004");
      const { code, stdout } = await fleet.run("plan");
      expect(code).toBe(0);
      expect(stdout.match(/^-- \d.*/gm)).toEqual([
        "-- 3 targets: t001, t002, t003",
        "-- 1_users (up)",
        "-- 2_mail (up)",
        "-- 3_orders (up)",
        "-- 1 target: t004",
      ]);
      expect(stdout).toContain("CREATE TABLE users (id int);");
      expect(stdout).not.toMatch(CONTROL);
      expect(jsonOf(await fleet.run("plan --json"))).toMatchObject({
        ok: true,
        groups: [{ targets: ["t001", "t002", "t003"], plan: { action: "up" } }, { targets: ["t004"] }],
      });
      expect((await recordsOf(db)).get("t001")).toBeNull();
    }));

  it("with a wrong password every target is named as failed, and the password is nowhere", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 0);
      addFiles(fleet.project, { "targets.json": '["t001", "t002"]' });
      const env = { ...environmentOf(db.connection), DATABASE_PASSWORD: "not-the-one" };
      const args = ["fleet", "status", "--targets", "targets.json"];
      const { code, stdout, stderr } = await runCommand(fleet.project, args, env);
      expect(code).toBe(1);
      expect(stdout).toContain("2 failed: t001, t002\n  AUTH: ");
      expect(stdout + stderr).not.toContain("not-the-one");
    }));
});

describe("a list of targets", () => {
  const refusals = (db: TestDatabase): [string, string, string][] =>
    [
      ["a file that does not exist", "none.json", "the file none.json cannot be read"],
      ["a file that is no JSON", "text.json", "text.json is not JSON"],
      ["an empty file", "empty.json", "empty.json has no targets"],
      ["a wrong field", "field.json", 'field.json: entry 1: "shema" is no field of a target'],
      ["a name twice", "twice.json", "entry 2 is the same schema or database as entry 1"],
      ["a query without rows", `${LIST} LIMIT 0`, "the query has no targets"],
      ["a query with another column", "SELECT 1 AS id", 'the query: row 1: "id" is no field of a target'],
      ["a query that is wrong", "SELECT nope", 'the query fails: column "nope" does not exist'],
      [
        "a query that writes",
        "WITH gone AS (DELETE FROM public.poison RETURNING *) SELECT tenant AS schema FROM gone",
        "cannot execute SELECT in a read-only transaction",
      ],
      ["two statements", "SELECT 't001' AS schema; SELECT 1", "the query must hold one statement, not 2"],
      [
        "a row with another host",
        "SELECT 'elsewhere.example.com' AS host, 't001' AS schema",
        "the target t001 is on another host, elsewhere.example.com",
      ],
      ["a query in a file", "two.sql", "two.sql fails: syntax error"],
    ].map(([title = "", list = "", message = ""]) => [title, list.replaceAll("$db", db.name), message]);

  it("each kind of list that cannot be used is refused with exit code 2 before anything runs", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 1);
      addFiles(fleet.project, {
        "text.json": "tenants",
        "empty.json": "[]",
        "field.json": '[{"schema": "a", "shema": "b"}]',
        "twice.json": '["a", {"name": "b", "schema": "a"}]',
        "two.sql": "SELEC 1",
      });
      for (const [title, list, message] of refusals(db)) {
        const args = ["fleet", "up", "--targets", list];
        const { code, stderr } = await runCommand(fleet.project, args, environmentOf(db.connection));
        expect([title, code, stderr.replace(/\s+/g, " ")]).toEqual([
          title,
          2,
          expect.stringContaining(message),
        ]);
        expect(stderr).toContain("Error TARGETS");
      }
      expect((await recordsOf(db)).get("t001")).toBeNull();
    }));

  it("a query in a file finds tables by the search path that migrations have", () =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 2);
      await db.query("CREATE SCHEMA app; CREATE TABLE app.tenants AS SELECT 't002' AS schema, 5 AS ignored");
      addFiles(fleet.project, { "tenants.sql": "-- the tenants\nSELECT schema FROM tenants;\n" });
      const args = ["fleet", "status", "--schema", "app", "--targets", "tenants.sql", "--json"];
      const ended = await runCommand(fleet.project, args, environmentOf(db.connection));
      expect(jsonOf(ended)).toMatchObject({
        ok: true,
        targets: [{ target: "t002", head: null, pending: 3 }],
      });
      expect(ended.stderr).toContain("1 target of tenants.sql on ");
    }));

  it.each([
    ["up --only t01", 'no target has the name "t01"'],
    ["up --canary t09", 'no target has the name "t09"'],
    ["up --canary 120%", "a canary of 120 % is more than all targets"],
    ["up --migrations-schema public", "all of them would share one record"],
    ["plan --canary 1", "--canary is not for plan"],
    ["up --check", "--check is not for up"],
    ["up --concurrency 0", "It must be a whole number from 1 up"],
    ["down", "It must be status, plan or up"],
  ])("fleet %s is refused with exit code 2", (args, message) =>
    withDatabase(async (db) => {
      const fleet = await openTestFleet(db, 2);
      const { code, stderr } = await fleet.run(args);
      expect([code, stderr.replace(/\s+/g, " ")]).toEqual([2, expect.stringContaining(message)]);
    }),
  );
});
