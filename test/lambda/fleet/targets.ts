import { beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { ASSET, ENV } from "../../../lambda/contract.ts";
import type { FleetTarget } from "../../../lib/fleet/index.ts";
import { secretText } from "../../aws/environment.ts";
import { sql, tables } from "../../aws/migrations.ts";
import { startTokenServer } from "../../aws/token-server.ts";
import { FLEET_SECRET, type FleetFunctions, type FleetTests } from "./functions.ts";

export const MIGRATIONS = {
  ...tables(1, 2),
  "3_poison.sql": sql(
    `DO $$ DECLARE venom text = (SELECT venom FROM public.poison WHERE victim = current_schema);
    BEGIN
      IF venom = 'slow' THEN PERFORM pg_sleep(100);
      ELSIF venom IS NOT NULL THEN RAISE 'poisoned by %', venom; END IF;
    END $$;`,
    "SELECT 1;",
  ),
};

export const targets: FleetTests = (opened) =>
  describe("a target of a fleet", () => {
    let fleet: FleetFunctions;
    beforeAll(async () => {
      fleet = opened();
      await fleet.query("CREATE TABLE poison (victim text, venom text); GRANT SELECT ON poison TO PUBLIC");
    });

    const target = (changes: Partial<FleetTarget>): FleetTarget => {
      const { host, port } = fleet.server.connection;
      return { name: changes.schema ?? "target", host, port, database: fleet.database, ...changes };
    };
    const item = (one: FleetTarget, request: object, more: object = {}): object => ({
      slice: { execution: "first" },
      fleet: "tenants",
      release: fleet.release,
      target: one,
      request,
      ...more,
    });
    const operate = async (payload: unknown, environment: Record<string, string> = {}, seconds = 60) =>
      (await fleet.invoke(ASSET.fleetOperateHandler, payload, environment, seconds)).payload;
    const status = async (payload: unknown) =>
      (await fleet.invoke(ASSET.fleetStatusHandler, payload)).payload;
    const createSchemas = (...names: readonly string[]) =>
      fleet.query(names.map((name) => `CREATE SCHEMA ${name} AUTHORIZATION ${fleet.owner}`).join(";"));

    test("a target that is a schema is read, planned, migrated and undone, apart from the others", async () => {
      await createSchemas("one", "other");
      const one = target({ schema: "one" });
      expect(await status(item(one, { command: "status" }))).toEqual({
        outcome: "done",
        answer: { target: "one", outcome: "done", head: null, completed: 0, pending: 3 },
      });
      expect(await status(item(one, { command: "plan", to: "2_t2" }))).toMatchObject({
        answer: { outcome: "done", completed: 0, message: "would apply 2: 1_t1, 2_t2" },
      });
      const up = { outcome: "done", head: "3_poison", pending: 0 };
      expect(await operate(item(one, { command: "up" }))).toMatchObject({
        outcome: "done",
        answer: { ...up, completed: 3 },
      });
      expect(await operate(item(one, { command: "up" }))).toMatchObject({ answer: { ...up, completed: 0 } });
      const down = item(one, { command: "down", to: "1_t1" });
      expect(await operate(down)).toMatchObject({ answer: { head: "1_t1", completed: 2, pending: 2 } });
      const nothing = { outcome: "done", answer: { head: "1_t1", completed: 0, pending: 2 } };
      expect(await operate(down)).toMatchObject(nothing);
      // The fleet was stopped before it came to this target.
      expect(await operate(item(one, { command: "down", to: "2_t2" }))).toMatchObject(nothing);
      expect(await operate(item(one, { command: "down", to: "2_typo" }))).toMatchObject({ code: "USAGE" });
      expect(
        await fleet.query("SELECT schemaname, tablename FROM pg_tables WHERE tablename LIKE 't_'"),
      ).toEqual([{ schemaname: "one", tablename: "t1" }]);
      expect(await fleet.query("SELECT DISTINCT actor FROM one.pgmigrations_history")).toEqual([
        { actor: "fleet tenants, execution first" },
      ]);
    });

    test("a migration that fails on a target says which, why and what stays, and shows no secret", async () => {
      await createSchemas("poisoned");
      const venom = fleet.password.replaceAll("'", "''");
      await fleet.query(`INSERT INTO poison VALUES ('poisoned', '${venom}')`);
      const answer = await operate(item(target({ schema: "poisoned" }), { command: "up" }));
      expect(answer).toMatchObject({
        outcome: "failed",
        code: "SQL",
        answer: { target: "poisoned", outcome: "failed", code: "SQL", head: "2_t2", completed: 2 },
      });
      expect(JSON.stringify(answer)).toMatch(
        /in 3_poison \(3_poison\.sql:2\): poisoned by \*+ \(SQLSTATE P0001\)/,
      );
      expect(JSON.stringify(answer).length).toBeLessThan(4_000);
    });

    test.each<[what: string, changes: Partial<FleetTarget>, code: string, message: RegExp]>([
      ["has no such schema", { schema: "absent" }, "SCHEMA_NOT_FOUND", /"absent"/],
      ["has no such database", { database: "absent_db" }, "DATABASE_NOT_FOUND", /"absent_db" does not exist/],
      ["names a secret that is missing", { database: "postgres", secret: "nobody" }, "SECRET", /nobody/],
      [
        "is on another host, without a secret",
        { host: "10.0.0.1" },
        "TARGETS",
        /another server than the fleet's.*target \(10\.0\.0\.1\)/,
      ],
    ])("a target fails clearly when it %s", async (_, changes, code, message) => {
      expect(await operate(item(target(changes), { command: "up" }))).toMatchObject({
        outcome: "failed",
        code,
        answer: { outcome: "failed", code, message: expect.stringMatching(message), completed: 0 },
      });
    });

    test("what only a person can settle in a target is to be typed on a machine, where a fleet has no function for it", async () => {
      await createSchemas("unmanaged");
      await fleet.query(
        `CREATE TABLE unmanaged.users (); ALTER TABLE unmanaged.users OWNER TO ${fleet.owner}`,
      );
      expect(await operate(item(target({ schema: "unmanaged" }), { command: "up" }))).toMatchObject({
        ...{ outcome: "failed", code: "UNMANAGED" },
        answer: { message: expect.stringMatching(/What to do: .*`baseline --to .*with --schema/) },
      });
    });

    test("a schema that does not exist is made where the construct says so", async () => {
      const payload = item(target({ schema: "made" }), { command: "up", to: "1_t1" });
      const options = { [ENV.options]: JSON.stringify({ createSchema: true }) };
      expect(await operate(payload, options)).toMatchObject({ outcome: "done", answer: { head: "1_t1" } });
    });

    test("a target with a secret of its own, named or by its ARN, is reached with that", async () => {
      await fleet.query("CREATE DATABASE fleet_own");
      const own = fleet.secrets.make("");
      await fleet.query(
        `CREATE ROLE own_user LOGIN PASSWORD '${own}'; ALTER DATABASE fleet_own OWNER TO own_user`,
      );
      fleet.services.secrets.put("tenant/own", () => ({ kind: "text", text: secretText("own_user", own) }));
      const before = fleet.services.secrets.calls(FLEET_SECRET);
      const one = target({ database: "fleet_own", host: "localhost", secret: "tenant/own" });
      expect(await operate(item(one, { command: "up", to: "2_t2" }))).toMatchObject({
        outcome: "done",
        answer: { completed: 2 },
      });
      expect(fleet.services.secrets.calls(FLEET_SECRET)).toBe(before);
    });

    test("a target with a user and no secret is reached with a token for its own host, over verified TLS only", async () => {
      await fleet.query("CREATE DATABASE fleet_iam");
      await fleet.query("CREATE ROLE iam_user LOGIN; ALTER DATABASE fleet_iam OWNER TO iam_user");
      const front = await startTokenServer(fleet.server, async (token) => {
        await fleet.query(`ALTER ROLE iam_user PASSWORD ${pg.escapeLiteral(token)}`);
      });
      try {
        const place = { host: front.host, port: front.port, database: "fleet_iam", user: "iam_user" };
        const payload = item(target(place), { command: "up", to: "1_t1" });
        expect(await operate(payload)).toMatchObject({ outcome: "failed", code: "TLS_UNTRUSTED" });
        expect(front.tokens).toEqual([]);
        const trusting = { [ENV.caFile]: fleet.write("front.pem", front.ca) };
        expect(await operate(payload, trusting)).toMatchObject({ outcome: "done", answer: { completed: 1 } });
        expect(front.tokens[0]).toMatch(
          new RegExp(`^${front.host}:${front.port}/\\?Action=connect&DBUser=iam_user&`),
        );
        for (const token of front.tokens) fleet.secrets.add(token);
      } finally {
        await front.close();
      }
    });

    test("a target whose time is up goes on in another slice, if it made progress", async () => {
      await createSchemas("slow");
      await fleet.query("INSERT INTO poison VALUES ('slow', 'slow')");
      const first = Object(await operate(item(target({ schema: "slow" }), { command: "up" }), {}, 8));
      expect(first).toMatchObject({
        ...{ outcome: "continue", waitSeconds: 0, answer: { code: "DEADLINE", completed: 2 } },
        next: { slice: { execution: "first", completed: 2 }, request: { command: "up" } },
      });
      await fleet.query("DELETE FROM poison WHERE victim = 'slow'");
      const second = await operate(first.next);
      expect(second).toMatchObject({
        outcome: "done",
        answer: { head: "3_poison", completed: 3, pending: 0 },
      });
    });

    test("a target that another run has locked is tried again in a while", async () => {
      await createSchemas("locked");
      await fleet.query("SELECT pg_advisory_lock(7241865325823964)");
      const busy = Object(await operate(item(target({ schema: "locked" }), { command: "up" }), {}, 8));
      await fleet.query("SELECT pg_advisory_unlock(7241865325823964)");
      expect(busy).toMatchObject({ outcome: "continue", waitSeconds: 15, answer: { code: "LOCK_HELD" } });
      expect(await operate(busy.next)).toMatchObject({ outcome: "done", answer: { completed: 3 } });
    });

    test.each<[what: string, schema: string, slice: object, options: object, expected: object]>([
      ["waits longer each time", "longer", { waits: 3 }, {}, { outcome: "continue", waitSeconds: 120 }],
      ["waits five minutes at most", "longest", { waits: 30 }, {}, { outcome: "continue", waitSeconds: 300 }],
      ["has failed after a day", "day", { waits: 288 }, {}, { outcome: "failed", code: "LOCK_HELD" }],
      [
        "has failed after `lockWait`",
        "limited",
        {},
        { lockWaitMs: 100 },
        { outcome: "failed", code: "LOCK_HELD" },
      ],
      [
        "waits for the index that an earlier slice has left to the server, whatever `lockWait` is",
        "own_index",
        { waits: 1, background: true },
        { lockWaitMs: 100 },
        { outcome: "continue", next: { slice: { waits: 2, background: true } } },
      ],
    ])("a target whose lock another session holds %s", async (_, schema, slice, options, expected) => {
      await createSchemas(schema);
      await fleet.query("SELECT pg_advisory_lock(7241865325823964)");
      try {
        const payload = item(
          target({ schema }),
          { command: "up" },
          { slice: { execution: "first", ...slice } },
        );
        expect(await operate(payload, { [ENV.options]: JSON.stringify(options) }, 8)).toMatchObject(expected);
      } finally {
        await fleet.query("SELECT pg_advisory_unlock(7241865325823964)");
      }
    });

    test("what a run only warns of is in the outcome of its target", async () => {
      await createSchemas("warned");
      const one = target({ schema: "warned" });
      await operate(item(one, { command: "up", to: "2_t2" }));
      await fleet.query("INSERT INTO warned.pgmigrations (name, run_on) VALUES ('9_ahead', now())");
      const answer = await operate(item(one, { command: "up" }), { [ENV.options]: '{"order":"warn"}' });
      expect(answer).toMatchObject({
        ...{
          outcome: "done",
          answer: {
            warnings: expect.arrayContaining([expect.stringMatching(/ahead of these files: 9_ahead/)]),
          },
        },
      });
    });

    test("two executions at once apply each migration of a target once", async () => {
      await createSchemas("twice");
      const one = target({ schema: "twice" });
      const answers = await Promise.all(
        ["first", "second"].map((execution) =>
          operate(item(one, { command: "up" }, { slice: { execution } })),
        ),
      );
      const completed = answers.map((answer) => Number(Object(answer).answer.completed)).sort();
      expect(completed).toEqual([0, 3]);
    });

    test("a database that cannot be reached is tried again five times, with growing waits, and then has failed", async () => {
      const [closed] = [target({ port: 1, database: "nowhere" })];
      const options = { [ENV.options]: JSON.stringify({ databaseWaitMs: 0, connectTimeoutMs: 1_000 }) };
      let payload = item(closed, { command: "up" });
      const waits: number[] = [];
      for (;;) {
        const answer = Object(await operate(payload, options));
        if (answer.outcome !== "continue") {
          expect(answer).toMatchObject({
            outcome: "failed",
            code: "CONNECTION",
            answer: { target: "target" },
          });
          break;
        }
        waits.push(answer.waitSeconds);
        payload = answer.next;
      }
      expect(waits).toHaveLength(4);
      for (const [index, wait] of waits.entries()) {
        expect(wait).toBeGreaterThanOrEqual(10 * 2 ** index);
        expect(wait).toBeLessThanOrEqual(10 * 2 ** (index + 1));
      }
    });

    test.each<[what: string, change: (payload: object) => unknown, code: string, message: RegExp]>([
      [
        "of another release",
        (payload) => ({ ...payload, release: "older" }),
        "ASSET",
        /other migrations than the execution/,
      ],
      ["with an unknown field", (payload) => ({ ...payload, force: true }), "USAGE", /unknown field "force"/],
      [
        "that only reads",
        (payload) => ({ ...payload, request: { command: "status" } }),
        "USAGE",
        /does not run status/,
      ],
      [
        "to go down by a number",
        (payload) => ({ ...payload, request: { command: "down", count: 1 } }),
        "USAGE",
        /to is missing/,
      ],
      ["that is no item", () => "up", "USAGE", /this is no target of a fleet/],
    ])("the function that changes targets refuses a request %s", async (_, change, code, message) => {
      const payload = change(item(target({ schema: "one" }), { command: "up" }));
      expect(await operate(payload)).toMatchObject({
        outcome: "failed",
        code,
        answer: { outcome: "failed", message: expect.stringMatching(message), completed: 0 },
      });
    });

    test("down is refused in a fleet that does not allow it, and up by the function that reads", async () => {
      const one = target({ schema: "one" });
      expect(
        await operate(item(one, { command: "down", to: "1_t1" }), { [ENV.allowDown]: "false" }),
      ).toMatchObject({
        outcome: "failed",
        code: "USAGE",
        answer: { message: expect.stringMatching(/down is not allowed.*allowDown: true/) },
      });
      expect(await status(item(one, { command: "up" }))).toMatchObject({ outcome: "failed", code: "USAGE" });
    });
  });
