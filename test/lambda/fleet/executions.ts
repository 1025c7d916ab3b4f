import { beforeAll, describe, expect, test } from "@jest/globals";
import { ASSET, ENV } from "../../../lambda/contract.ts";
import { property } from "../../../lib/core/index.ts";
import { BUCKET, FLEET_SECRET, type FleetFunctions, type FleetTests } from "./functions.ts";

/** What the state machine hands to `prepare`. */
const FLEET = {
  name: "tenants",
  canary: 1,
  pauseSeconds: 60,
  approval: true,
  maxConcurrency: 20,
  maxConcurrencyPerServer: 10,
  toleratedFailures: 1,
  allowDown: true,
};
const UP = { command: "up", confirm: "tenants" };

export const executions: FleetTests = (opened) =>
  describe("the beginning of an execution of a fleet", () => {
    let fleet: FleetFunctions;
    beforeAll(async () => {
      fleet = opened();
      await fleet.query(`CREATE TABLE tenants (schema text, id bigint, port bigint, note text);
      GRANT SELECT ON tenants TO ${fleet.owner}`);
    });

    const prepare = (changes: object, environment: Record<string, string> = {}, settings: object = {}) =>
      fleet.invoke(
        ASSET.fleetPrepareHandler,
        { machine: "operate", execution: "first", request: UP, fleet: { ...FLEET, ...settings }, ...changes },
        environment,
      );
    const list = (...targets: readonly unknown[]) => ({ source: { kind: "list", targets } });
    const stored = (key: string): unknown => JSON.parse(fleet.services.s3.get(BUCKET, key) ?? "null");
    const prefixOf = (payload: unknown): string => String(property(payload, "prefix"));
    const refusal = async (changes: object, environment: Record<string, string> = {}) => {
      const { failed, payload } = await prepare(changes, environment);
      expect(failed).toBe(true);
      return payload;
    };

    test("an execution begins with a canary and the rest, whose targets are in files for the Distributed Maps", async () => {
      const { payload } = await prepare(
        list("a", "b", { database: "c", host: "c.internal", secret: "c-secret" }),
      );
      const { host, port } = fleet.server.connection;
      const prefix = prefixOf(payload);
      expect(payload).toEqual({
        ...{
          fleet: "tenants",
          machine: "operate",
          command: "up",
          release: fleet.release,
          execution: "first",
        },
        ...{ prefix: expect.stringMatching(/^tenants\/executions\/first\/[^/]+\/$/), count: 3 },
        waves: [
          {
            ...{ name: "canary", count: 1, concurrency: 1, tolerated: 0, approval: false, pauseSeconds: 0 },
            groups: [
              {
                ...{ server: `${host}:${port}`, count: 1, concurrency: 1 },
                key: `${prefix}items/0-0.json`,
                resultPrefix: `${prefix}results/0-0`,
              },
            ],
          },
          {
            ...{ name: "rest", count: 2, concurrency: 1, tolerated: 1, approval: true, pauseSeconds: 60 },
            groups: [
              {
                ...{ server: "several servers", count: 2, concurrency: 2 },
                key: `${prefix}items/1-0.json`,
                resultPrefix: `${prefix}results/1-0`,
              },
            ],
          },
        ],
      });
      const common = { slice: { execution: "first" }, fleet: "tenants", release: fleet.release };
      expect(stored(`${prefix}items/1-0.json`)).toEqual([
        {
          ...common,
          target: { name: "b", host, port, database: fleet.database, schema: "b" },
          request: { command: "up" },
        },
        {
          ...common,
          target: { name: "c", host: "c.internal", port, database: "c", secret: "c-secret" },
          request: { command: "up" },
        },
      ]);
      expect(stored(`${prefix}plan.json`)).toMatchObject({
        waves: [{ targets: ["a"] }, { tolerated: 1, targets: ["b", "c"] }],
      });
    });

    test("executions of the same name keep their lists and results apart", async () => {
      const plan = { machine: "status", request: { command: "plan" } };
      const prefixes = [];
      for (const changes of [plan, {}, {}]) {
        const { payload } = await prepare({ ...list("a"), ...changes });
        prefixes.push(prefixOf(payload));
      }
      expect(new Set(prefixes).size).toBe(3);
    });

    test("an execution takes its canary, its tolerance and its targets from its input, and none waits before a status", async () => {
      const request = { ...UP, canary: ["b"], toleratedFailures: 5, targets: ["c", "b"] };
      const { payload } = await prepare({ ...list("a", "b", "c"), request });
      expect(payload).toMatchObject({ count: 2, waves: [{ name: "canary", count: 1 }, { tolerated: 5 }] });
      const read = await prepare({
        ...list("a", "b", "c"),
        machine: "status",
        request: { command: "plan", to: "1_t1" },
      });
      expect(read.payload).toMatchObject({
        command: "plan",
        waves: [{ name: "all", count: 3, tolerated: 3, approval: false }],
      });
    });

    test("the targets of a fleet are the rows of its query, which cannot write", async () => {
      await fleet.query(
        "INSERT INTO tenants (schema, note) SELECT 't' || n, 'x' FROM generate_series(1, 3) AS n",
      );
      const source = { source: { kind: "query" } };
      const query = (text: string) => ({ [ENV.fleetQuery]: text });
      const { payload } = await prepare(source, query("SELECT schema, port FROM tenants ORDER BY schema"));
      expect(payload).toMatchObject({ count: 3 });
      expect(await refusal(source, query("DELETE FROM tenants RETURNING schema"))).toMatchObject({
        errorType: "TARGETS",
        errorMessage: expect.stringMatching(/the query of the fleet fails.*read-only.*SQLSTATE 25006/),
      });
      expect(await refusal(source, query("SELECT schema, note FROM tenants"))).toMatchObject({
        errorMessage: expect.stringMatching(/row 1: "?note"? is no field of a target/),
      });
      const nothing = query("SELECT schema FROM tenants WHERE false");
      expect(await refusal(source, nothing)).toMatchObject({
        errorType: "TARGETS",
        errorMessage: expect.stringMatching(/the query of the fleet has no targets/),
      });
      const allowed = await prepare({ source: { kind: "query", allowEmpty: true } }, nothing);
      expect(allowed.payload).toMatchObject({ count: 0, waves: [] });
    });

    test("the targets of a fleet are the secrets with a tag, by the host, port and database in them", async () => {
      const { secrets } = fleet.services;
      secrets.pageSize = 2;
      const put = (name: string, value: string, text: string) => {
        secrets.put(`arn:${name}`, () => ({ kind: "text", text }));
        secrets.tag(`arn:${name}`, name, { tenant: value });
      };
      for (const dbname of ["one", "two", "three"]) {
        const place = { host: "tenants.internal", port: 5433, dbname };
        put(dbname, "live", JSON.stringify({ username: "u", password: fleet.secrets.make(""), ...place }));
      }
      put("other", "live-not", "no JSON at all");
      const source = { source: { kind: "secretsByTag", key: "tenant", value: "live" } };
      const { payload } = await prepare(source);
      expect(payload).toMatchObject({ count: 3 });
      expect(stored(`${prefixOf(payload)}items/0-0.json`)).toMatchObject([
        { target: { name: "one", host: "tenants.internal", port: 5433, database: "one", secret: "arn:one" } },
      ]);
      put("homeless", "live", JSON.stringify({ username: "u", password: fleet.secrets.make("") }));
      expect(await refusal(source)).toMatchObject({
        errorType: "TARGETS",
        errorMessage: expect.stringMatching(
          /no host in the JSON of the secret: homeless\nWhat to do: .*host, port and dbname/,
        ),
      });
    });

    test("the targets of a fleet are a JSON object in S3, and what is wrong with it is said with its address", async () => {
      const { s3 } = fleet.services;
      const from = (key: string, bucket = "lists") => ({ source: { kind: "json", bucket, key } });
      s3.put("lists", "tenants.json", JSON.stringify(["a", { schema: "b" }]));
      s3.put("lists", "broken.json", '["a",');
      s3.put("lists", "huge.json", " ".repeat(17 * 1024 * 1024));
      expect((await prepare(from("tenants.json"))).payload).toMatchObject({ count: 2 });
      const wrong = [
        [
          from("absent.json"),
          /s3:\/\/lists\/absent\.json cannot be read: NoSuchKey.*\nWhat to do: .*is its key/,
        ],
        [from("tenants.json", "nowhere"), /s3:\/\/nowhere\/tenants\.json cannot be read: NoSuchBucket/],
        [from("broken.json"), /s3:\/\/lists\/broken\.json is not JSON/],
        [from("huge.json"), /s3:\/\/lists\/huge\.json has \d+ bytes, more than/],
      ] as const;
      for (const [source, errorMessage] of wrong) {
        expect(await refusal(source)).toEqual(
          expect.objectContaining({
            errorType: "TARGETS",
            errorMessage: expect.stringMatching(errorMessage),
          }),
        );
      }
      s3.deny("GetObject", "lists");
      expect(await refusal(from("tenants.json"))).toMatchObject({
        errorMessage: expect.stringMatching(
          /AccessDenied.*\nWhat to do: The function's role needs s3:GetObject/,
        ),
      });
      s3.allow();
      s3.deny("PutObject", BUCKET);
      expect(await refusal(list("a"))).toMatchObject({ errorType: "FLEET" });
      s3.allow();
    });

    test.each([
      ["its ARN", FLEET_SECRET],
      ["its ARN without the end", FLEET_SECRET.replace("-AbCdEf", "")],
      ["its name", "fleet"],
    ])(
      "no row sends the fleet's password to another server by naming the fleet's own secret by %s",
      async (_, secret) => {
        fleet.services.s3.put("lists", "own.json", JSON.stringify([{ host: "evil.example.com", secret }]));
        const source = { kind: "json", bucket: "lists", key: "own.json" };
        expect(await refusal({ source })).toMatchObject({
          errorType: "TARGETS",
          errorMessage: expect.stringMatching(/without a secret of its own: .*\(evil\.example\.com\)/),
        });
        expect((await prepare(list({ host: "reader.example.com", secret }))).failed).toBe(false);
      },
    );

    test("an execution on ten thousand targets of a thousand servers begins with a short answer", async () => {
      const targets = Array.from({ length: 10_000 }, (_, n) => ({
        ...{ database: `tenant_${n}`, host: `server-${n % 1_000}.internal`, secret: `tenant/${n}` },
      }));
      fleet.services.s3.put("lists", "many.json", JSON.stringify(targets));
      const { payload } = await prepare({ source: { kind: "json", bucket: "lists", key: "many.json" } });
      expect(payload).toMatchObject({
        count: 10_000,
        waves: [{ count: 1 }, { count: 9_999, groups: [{ concurrency: 20 }] }],
      });
      expect(JSON.stringify(payload).length).toBeLessThan(2_000);
    });

    test.each<[what: string, changes: object, code: string, message: RegExp]>([
      [
        "is not confirmed",
        { request: { command: "up" } },
        "USAGE",
        /confirm is missing.*"confirm": "tenants"/s,
      ],
      [
        "confirms another fleet",
        { request: { ...UP, confirm: "x" } },
        "USAGE",
        /confirm is "x", which is not this fleet/,
      ],
      ["has an unknown field", { request: { ...UP, force: 1 } }, "USAGE", /unknown field "force"/],
      ["counts migrations", { request: { ...UP, count: 2 } }, "USAGE", /unknown field "count"/],
      ["goes down to nothing", { request: { ...UP, command: "down" } }, "USAGE", /to is missing/],
      [
        "is for the other machine",
        { machine: "status" },
        "USAGE",
        /does not run up.*The other state machine/s,
      ],
      ["names no target of the fleet", { request: { ...UP, targets: ["zz"] } }, "TARGETS", /"zz"/],
      ["is no execution", { fleet: {} }, "ASSET", /this is no execution of a fleet/],
      ["has a name that is no folder", { execution: "../x" }, "ASSET", /execution must be the name/],
    ])("an execution does not begin when its input %s", async (_, changes, code, message) => {
      expect(await refusal({ ...list("a"), ...changes })).toMatchObject({
        errorType: code,
        errorMessage: expect.stringMatching(message),
      });
    });

    test("an execution does not undo anything in a fleet that does not allow it", async () => {
      const down = { ...list("a"), request: { command: "down", to: "1_t1", confirm: "tenants" } };
      expect((await prepare(down)).failed).toBe(false);
      const refused = await prepare(down, {}, { allowDown: false });
      expect(refused.payload).toMatchObject({ errorMessage: expect.stringMatching(/down is not allowed/) });
    });
  });
