import { describe, expect, it } from "@jest/globals";
import { parseDeployEvent } from "../../lambda/deploy/event.ts";
import { parseOperateRequest, parseStatusRequest } from "../../lambda/operate/requests.ts";
import { readSettings } from "../../lambda/runtime/settings.ts";

const usage = (message: unknown) => expect.objectContaining({ code: "USAGE", message });

describe("the status function", () => {
  it.each([
    [{ action: "status" }],
    [{ action: "plan" }],
    [{ action: "plan", count: 2 }],
    [{ action: "plan", direction: "down", batch: true, from: "history" }],
    [{ action: "history", migration: "1_a", state: "failed", limit: 5 }],
  ])("takes %j", (payload) => {
    expect(parseStatusRequest(payload)).toEqual(payload);
  });

  it.each([
    [undefined, "it is missing"],
    ["status", "it must be Object"],
    [{}, "action is missing"],
    [{ action: "up" }, 'action must be "status" or "plan" or "history"'],
    [{ action: "status", force: true }, 'unknown field "force"'],
    [{ action: "plan", count: 0 }, "count: "],
    [{ action: "plan", count: "2" }, "count must be number"],
    [{ action: "plan", batch: true }, "batch is about undoing"],
    [{ action: "plan", from: "file" }, "from is about undoing"],
    [{ action: "history", limit: 1e9 }, "limit: "],
  ])("refuses %j", (payload, message) => {
    expect(() => parseStatusRequest(payload)).toThrow(usage(expect.stringContaining(message)));
  });
});

describe("the operate function", () => {
  const permissions = { database: "shop", allowDown: true };
  it.each([
    [{ action: "up", confirm: "shop" }],
    [{ action: "up", confirm: "shop", to: "2_b" }],
    [{ action: "down", confirm: "shop", count: 2, from: "history" }],
    [{ action: "redo", confirm: "shop" }],
    [{ action: "repair", confirm: "shop", migrations: ["1_a"], note: "harmless" }],
    [{ action: "resolve", confirm: "shop", migration: "1_a", outcome: "retry" }],
    [{ action: "baseline", confirm: "shop", to: "1_a" }],
  ])("takes %j", (payload) => {
    expect(parseOperateRequest(payload, permissions)).toEqual(payload);
  });

  it.each([
    [{ action: "up" }, "confirm is missing"],
    [{ action: "up", confirm: "sho" }, 'confirm is "sho"'],
    [{ action: "up", confirm: true }, "confirm must be string"],
    [{ action: "up", confirm: "shop", batch: true }, 'unknown field "batch"'],
    [{ action: "down", confirm: "shop", count: 0 }, "count: "],
    [{ action: "down", confirm: "shop", count: 1.5 }, "count: "],
    [{ action: "resolve", confirm: "shop", migration: "1_a" }, "outcome is missing"],
    [{ action: "drop", confirm: "shop" }, "action must be"],
  ])("refuses %j", (payload, message) => {
    expect(() => parseOperateRequest(payload, permissions)).toThrow(usage(expect.stringContaining(message)));
  });

  it.each(["down", "redo"])("refuses %s where it is not allowed", (action) => {
    const payload = { action, confirm: "shop" };
    expect(() => parseOperateRequest(payload, { ...permissions, allowDown: false })).toThrow(
      usage(`${action} is not allowed on this database`),
    );
  });
});

describe("requests of CloudFormation", () => {
  const StackId = "arn:aws:cloudformation:eu-west-1:123:stack/shop/uuid";
  const base = { StackId, LogicalResourceId: "Migrations", ServiceToken: "x" };

  it("become what a deploy decides on", () => {
    const properties = { MigrationsHash: "h2", MigrationCount: "2", Head: "2_b", Newest: ["1_a", "2_b"] };
    const event = {
      ...{ ...base, RequestType: "Update", PhysicalResourceId: "id" },
      ...{ ResourceProperties: properties, OldResourceProperties: { MigrationsHash: "h1" } },
    };
    expect(parseDeployEvent(event)).toEqual({
      ...{ type: "Update", resource: "shop/Migrations", physicalId: "id" },
      now: { hash: "h2", head: "2_b", count: 2, newest: ["1_a", "2_b"], options: undefined },
      before: { hash: "h1", head: undefined, count: undefined, newest: [], options: undefined },
      direction: "unknown",
    });
  });

  it.each([
    ["old properties of another shape", { OldResourceProperties: { Anything: ["else"] } }],
    ["no old properties", {}],
  ])("do not fail for %s: they say nothing", (_what, more) => {
    const event = { ...base, RequestType: "Update", ResourceProperties: { MigrationsHash: "h" }, ...more };
    expect(parseDeployEvent(event)).toMatchObject({ type: "Update", before: undefined });
  });

  it("to delete are understood without a property", () => {
    expect(parseDeployEvent({ ...base, RequestType: "Delete" })).toMatchObject({ type: "Delete" });
  });

  it.each([[{}], [{ action: "status" }], [{ RequestType: "Create" }], [null]])("%j is none", (event) => {
    expect(() => parseDeployEvent(event)).toThrow(usage(expect.stringContaining("no request")));
  });
});

describe("the environment", () => {
  const env = {
    ...{ DATABASE_HOST: "db", DATABASE_PORT: "5432", DATABASE_NAME: "shop", DATABASE_SECRET_ARN: "arn" },
    LAMBDA_TASK_ROOT: "/task",
  };

  it("has defaults for what may be left out, and finds the certificates in the asset", () => {
    expect(readSettings(env)).toEqual({
      ...{ host: "db", port: 5432, database: "shop", secretArn: "arn" },
      ...{ root: "/task", caFile: undefined, options: {}, revision: undefined },
    });
    const options = '{"order":"warn","schema":["a"],"lockWaitMs":5}';
    expect(readSettings({ ...env, CA_FILE: "ca.pem", MIGRATE_OPTIONS: options })).toMatchObject({
      ...{ caFile: "/task/ca.pem", options: { order: "warn", schema: ["a"], lockWaitMs: 5 } },
    });
  });

  it.each([
    [{ DATABASE_HOST: "" }, "DATABASE_HOST"],
    [{ DATABASE_PORT: "x" }, "DATABASE_PORT"],
    [{ DATABASE_SECRET_ARN: undefined }, "DATABASE_SECRET_ARN is missing"],
    [{ MIGRATE_OPTIONS: "{" }, "MIGRATE_OPTIONS"],
    [{ MIGRATE_OPTIONS: '{"order":"any"}' }, "MIGRATE_OPTIONS.order must be"],
    [{ MIGRATE_OPTIONS: '{"typo":1}' }, 'unknown field "MIGRATE_OPTIONS.typo"'],
  ])("refuses %j", (change, message) => {
    expect(() => readSettings({ ...env, ...change })).toThrow(usage(expect.stringContaining(message)));
  });
});
