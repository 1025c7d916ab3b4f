import { describe, expect, it } from "@jest/globals";
import { parseDeployEvent } from "../../lambda/deploy/event.ts";
import { parseOperateRequest, parseStatusRequest } from "../../lambda/operate/answer.ts";
import { readSettings } from "../../lambda/runtime/settings.ts";

const usage = (message: unknown) => expect.objectContaining({ code: "USAGE", message });

describe("the status function", () => {
  it.each([
    [{ command: "status" }],
    [{ command: "plan" }],
    [{ command: "plan", count: 2 }],
    [{ command: "plan", down: true, batch: true, from: "history" }],
    [{ command: "history", migration: "1_a", action: "up", state: "failed", limit: 5 }],
  ])("the status function takes %j", (payload) => {
    expect(parseStatusRequest(payload)).toMatchObject({ command: payload.command });
  });

  it.each([
    [undefined, "it is missing"],
    ["status", "it must be Object"],
    [{}, "command is missing"],
    [{ command: "up" }, 'command must be "status" or "plan" or "history"'],
    [{ command: "status", force: true }, 'unknown field "force"'],
    [{ command: "plan", count: 0 }, "count must be"],
    [{ command: "plan", count: "2" }, "count must be number"],
    [{ command: "plan", count: 0 }, "count must be a whole number from 1 up"],
    [{ command: "plan", to: "" }, "to must not be empty"],
    [{ command: "plan", batch: true }, "batch is about undoing"],
    [{ command: "plan", from: "file" }, "from is about undoing"],
    [{ command: "plan", measure: true }, "plan with measure is no read-only command"],
    [{ command: "plan", maxLock: 2 }, "maxLock limits measuring"],
    [{ command: "history", limit: 1e9 }, "limit must"],
    [{ command: "history", action: "redo" }, 'action must be "up" or "down" or'],
    [{ action: "status" }, "command is missing"],
    [{ action: "status", command: "up" }, 'command must be "status" or "plan" or "history"'],
    [{ command: "toString" }, "command must be"],
  ])("the status function refuses %j", (payload, message) => {
    expect(() => parseStatusRequest(payload)).toThrow(usage(expect.stringContaining(message)));
  });
});

describe("the operate function", () => {
  const permissions = { database: "shop", allowDown: true };
  it.each([
    [{ command: "up", confirm: "shop" }],
    [{ command: "up", confirm: "shop", to: "2_b" }],
    [{ command: "up", confirm: "shop", maxLock: 0.5 }],
    [{ command: "plan", confirm: "shop", measure: true, maxLock: 2, lockTimeout: 1, statementTimeout: 60 }],
    [{ command: "down", confirm: "shop", count: 2, from: "history" }],
    [{ command: "up", confirm: "shop", fake: true }],
    [{ command: "redo", confirm: "shop" }],
    [{ command: "redo", confirm: "shop", batch: true, from: "file" }],
    [{ command: "repair", confirm: "shop", migrations: ["1_a"], note: "harmless" }],
    [{ command: "resolve", confirm: "shop", migration: "1_a", outcome: "retry" }],
    [{ command: "baseline", confirm: "shop", to: "1_a" }],
  ])("the operate function takes %j", (payload) => {
    expect(parseOperateRequest(payload, permissions)).toMatchObject({ command: payload.command });
  });

  it.each([
    [{ command: "up" }, "confirm is missing"],
    [{ command: "plan", confirm: "shop" }, "plan reads only, unless it has measure"],
    [{ command: "plan", confirm: "shop", measure: false }, "plan reads only, unless it has measure"],
    [{ command: "plan", confirm: "shop", measure: true, down: true }, "a plan of down cannot be measured"],
    [{ command: "plan", confirm: "shop", measure: true, lockTimeout: 0 }, "lockTimeout must be more than 0"],
    [{ command: "up", confirm: "sho" }, 'confirm is "sho"'],
    [{ command: "up", confirm: true }, "confirm must be string"],
    [
      { command: "up", confirm: "shop", maxLock: "2s" },
      "maxLock must be a number of seconds from 0 to 2147483",
    ],
    [
      { command: "up", confirm: "shop", maxLock: -1 },
      "maxLock must be a number of seconds from 0 to 2147483",
    ],
    [{ command: "up", confirm: "shop", batch: true }, 'unknown field "batch"'],
    [{ command: "down", confirm: "shop", count: 0 }, "count must be"],
    [{ command: "down", confirm: "shop", count: 1.5 }, "count must be"],
    [{ command: "resolve", confirm: "shop", migration: "1_a" }, "outcome is missing"],
    [{ command: "drop", confirm: "shop" }, "command must be"],
  ])("the operate function refuses %j", (payload, message) => {
    expect(() => parseOperateRequest(payload, permissions)).toThrow(usage(expect.stringContaining(message)));
  });

  it.each(["down", "redo"])("the operate function refuses %s where it is not allowed", (command) => {
    const payload = { command, confirm: "shop" };
    expect(() => parseOperateRequest(payload, { ...permissions, allowDown: false })).toThrow(
      usage(`${command} is not allowed on this database`),
    );
  });
});

describe("requests of CloudFormation", () => {
  const StackId = "arn:aws:cloudformation:eu-west-1:123:stack/shop/uuid";
  const base = { StackId, LogicalResourceId: "Migrations", ServiceToken: "x" };

  it("a request becomes the event that a deploy decides on", () => {
    const properties = {
      ...{ MigrationsHash: "h2", MigrationCount: "2", Head: "2_b", Newest: ["1_a", "2_b"] },
      ...{ Contracts: ["2_b"], Revision: "v2" },
    };
    const event = {
      ...{ ...base, RequestType: "Update", PhysicalResourceId: "id" },
      ...{ ResourceProperties: properties, OldResourceProperties: { MigrationsHash: "h1" } },
    };
    expect(parseDeployEvent(event)).toEqual({
      ...{ type: "Update", resource: "shop/Migrations", physicalId: "id" },
      current: {
        ...{ hash: "h2", head: "2_b", count: 2, replaced: 0, newest: ["1_a", "2_b"], options: undefined },
        ...{ contracts: ["2_b"], revision: "v2" },
      },
      previous: {
        hash: "h1",
        head: undefined,
        count: undefined,
        replaced: 0,
        newest: [],
        options: undefined,
        contracts: [],
        revision: undefined,
      },
      direction: "unknown",
    });
  });

  it.each([
    ["old properties of another shape", { OldResourceProperties: { Anything: ["else"] } }],
    ["no old properties", {}],
  ])("a request does not fail for %s, which count as nothing", (_what, more) => {
    const event = { ...base, RequestType: "Update", ResourceProperties: { MigrationsHash: "h" }, ...more };
    expect(parseDeployEvent(event)).toMatchObject({ type: "Update", previous: undefined });
  });

  it("a request to delete needs no property", () => {
    expect(parseDeployEvent({ ...base, RequestType: "Delete" })).toMatchObject({ type: "Delete" });
  });

  it.each([[{}], [{ command: "status" }], [{ RequestType: "Create" }], [null]])(
    "the event %j is not a request",
    (event) => {
      expect(() => parseDeployEvent(event)).toThrow(usage(expect.stringContaining("no request")));
    },
  );
});

describe("the environment", () => {
  const env = {
    ...{ DATABASE_HOST: "db", DATABASE_PORT: "5432", DATABASE_NAME: "shop", DATABASE_SECRET_ARN: "arn" },
    LAMBDA_TASK_ROOT: "/task",
  };

  it("the environment has defaults for optional settings, and finds the certificates in the asset", () => {
    expect(readSettings(env)).toEqual({
      ...{ host: "db", port: 5432, database: "shop" },
      login: { kind: "secret", secretArn: "arn" },
      region: undefined,
      ...{ root: "/task", caFile: undefined, options: {}, revision: undefined },
    });
    const options = '{"order":"warn","schema":["a"],"lockWaitMs":5}';
    expect(readSettings({ ...env, CA_FILE: "ca.pem", MIGRATE_OPTIONS: options })).toMatchObject({
      ...{ caFile: "/task/ca.pem", options: { order: "warn", schema: ["a"], lockWaitMs: 5 } },
    });
  });

  it("the environment has a user instead of a secret for IAM authentication", () => {
    const withUser = {
      ...env,
      DATABASE_SECRET_ARN: undefined,
      DATABASE_USER: "migrator",
      AWS_REGION: "eu-west-1",
    };
    expect(readSettings(withUser)).toMatchObject({
      login: { kind: "iam", user: "migrator" },
      region: "eu-west-1",
    });
    expect(() => readSettings({ ...withUser, DATABASE_USER: "" })).toThrow("DATABASE_USER");
  });

  it.each([
    [{ DATABASE_HOST: "" }, "DATABASE_HOST"],
    [{ DATABASE_PORT: "x" }, "DATABASE_PORT"],
    [{ DATABASE_SECRET_ARN: undefined }, "DATABASE_SECRET_ARN is missing"],
    [{ MIGRATE_OPTIONS: "{" }, "MIGRATE_OPTIONS"],
    [{ MIGRATE_OPTIONS: '{"order":"any"}' }, "MIGRATE_OPTIONS.order must be"],
    [{ MIGRATE_OPTIONS: '{"typo":1}' }, 'unknown field "MIGRATE_OPTIONS.typo"'],
  ])("the environment %j is refused", (change, message) => {
    expect(() => readSettings({ ...env, ...change })).toThrow(
      expect.objectContaining({ code: "ASSET", message: expect.stringContaining(message) }),
    );
  });
});
