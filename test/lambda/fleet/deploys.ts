import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { ASSET, ENV } from "../../../lambda/contract.ts";
import type { FleetFunctions, FleetTests } from "./functions.ts";

const MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:Tenants";
const SUMMARY = {
  ...{ ok: true, fleet: "tenants", command: "up", release: "r", execution: "x", failed: [] },
  ...{ counts: { done: 3, failed: 0, untouched: 0 }, versions: [{ head: "2_t2", count: 3, behind: 0 }] },
  summary: "s3://fleet-bucket/tenants/executions/x/summary.json",
};

/** A state machine that ends as `state` says. */
const machine = (state: object) => JSON.stringify({ StartAt: "Only", States: { Only: state } });
const PASSES = machine({ Type: "Pass", Result: SUMMARY, End: true });
const WAITS = machine({ Type: "Wait", Seconds: 100_000, End: true });

export const deploys: FleetTests = (opened) =>
  describe("a deploy of a fleet", () => {
    let fleet: FleetFunctions;
    beforeAll(() => {
      fleet = opened();
    });
    beforeEach(() => {
      fleet.services.cloudFormation.status = "UPDATE_IN_PROGRESS";
      fleet.services.stepFunctions.install(MACHINE, PASSES);
    });

    const release = (changes: object = {}) => ({
      ...{ MigrationsHash: fleet.release, MigrationCount: "3", Head: "3_poison", Options: "{}" },
      ...{ Newest: ["1_t1", "2_t2", "3_poison"], Fleet: "tenants", ...changes },
    });
    const older = () =>
      release({ MigrationsHash: "older", MigrationCount: "2", Head: "2_t2", Newest: ["1_t1", "2_t2"] });
    const request = (changes: object = {}) => ({
      ...{ RequestType: "Update", RequestId: randomUUID(), LogicalResourceId: "Fleet" },
      StackId: "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1",
      ResponseURL: `https://bucket/${fleet.secrets.make("")}`,
      ...{ ResourceProperties: release(), OldResourceProperties: older(), ...changes },
    });
    const environment = { [ENV.fleetMachine]: MACHINE, [ENV.fleetWait]: "true" };
    const begin = (event: object, changes: Record<string, string> = {}) =>
      fleet.invoke(ASSET.fleetEventHandler, event, { ...environment, ...changes });
    const ask = (event: object, changes: Record<string, string> = {}) =>
      fleet.invoke(ASSET.fleetIsCompleteHandler, event, { ...environment, ...changes });
    /** As the provider framework does it: the answer is part of the event from then on. */
    const deploy = async (event = request()) => {
      const answer = Object((await begin(event)).payload);
      return { event: { ...event, ...answer }, answer };
    };
    const started = () => fleet.services.stepFunctions.executionsOf(MACHINE).length;

    test("a deploy starts an execution for all targets, waits for it, and has its counts as attributes", async () => {
      const { event, answer } = await deploy();
      const name = `deploy-${event.RequestId}`;
      const arn = `arn:aws:states:eu-west-1:123456789012:execution:Tenants:${name}`;
      expect(answer).toMatchObject({ PhysicalResourceId: "migrations:shop/Fleet", Execution: arn });
      const { input } = fleet.services.stepFunctions.describeExecution(arn);
      expect(JSON.parse(input)).toEqual({ command: "up", confirm: "tenants" });
      await fleet.services.stepFunctions.ended(arn);
      expect((await ask(event)).payload).toEqual({
        IsComplete: true,
        Data: { Execution: arn, Done: "3", Failed: "0", Untouched: "0", Head: "2_t2" },
      });
    });

    test("a request that is delivered twice starts one execution", async () => {
      const before = started();
      const { event, answer } = await deploy();
      await fleet.services.stepFunctions.ended(answer.Execution);
      expect((await deploy(event)).answer.Execution).toBe(answer.Execution);
      expect(started()).toBe(before + 1);
    });

    test("a deploy goes on to wait when Step Functions cannot be reached, and fails when it knows no such execution", async () => {
      const { event, answer } = await deploy();
      await fleet.services.stepFunctions.ended(answer.Execution);
      const away = { AWS_ENDPOINT_URL_SFN: "http://127.0.0.1:1" };
      expect((await ask(event, away)).payload).toEqual({ IsComplete: false });
      expect((await ask(event)).payload).toMatchObject({ IsComplete: true });
      const unknown = { ...event, Execution: `${answer.Execution}-other` };
      expect((await ask(unknown)).payload).toMatchObject({ errorType: "FLEET" });
    });

    test("a deploy that does not wait is complete at once, and knows its execution only", async () => {
      const event = request({ RequestType: "Create" });
      const { payload } = await begin(event, { [ENV.fleetWait]: "false" });
      expect(payload).toMatchObject({
        Data: { Execution: expect.stringMatching(/:deploy-/), Done: "unknown" },
      });
      expect((await ask({ ...event, ...Object(payload) })).payload).toEqual({ IsComplete: true });
    });

    test.each<[what: string, status: string, changes: () => object]>([
      ["a deletion", "DELETE_IN_PROGRESS", () => ({ RequestType: "Delete" })],
      [
        "a rollback",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        () => ({ ResourceProperties: older(), OldResourceProperties: release() }),
      ],
      [
        "an older release",
        "UPDATE_IN_PROGRESS",
        () => ({
          ResourceProperties: release(),
          OldResourceProperties: release({ MigrationsHash: "newer", MigrationCount: "4", Head: "4_t4" }),
        }),
      ],
    ])("%s of a fleet starts nothing, and succeeds", async (_, status, changes) => {
      fleet.services.cloudFormation.status = status;
      const before = started();
      const { event, answer } = await deploy(request(changes()));
      expect(answer).toMatchObject({
        PhysicalResourceId: "migrations:shop/Fleet",
        Data: { Execution: "none", Done: "unknown" },
      });
      expect((await ask(event)).payload).toEqual({ IsComplete: true });
      expect(started()).toBe(before);
    });

    test("a deploy fails when the function has other migrations than it is about", async () => {
      const event = request({
        ResourceProperties: release({ MigrationsHash: "another" }),
        RequestType: "Create",
      });
      expect((await begin(event)).payload).toMatchObject({ errorType: "ASSET" });
    });

    test("a deploy whose targets fail says how many, the first reasons, and how to go on, in the room of an event", async () => {
      const failed = Array.from({ length: 20 }, (_, n) => ({
        ...{
          target: `tenant_${n}`,
          outcome: "failed",
          code: "SQL",
          completed: 0,
          message: `poisoned ${"x".repeat(400)}`,
        },
      }));
      const summary = {
        ...SUMMARY,
        ok: false,
        code: "FLEET",
        failed,
        counts: { done: 1, failed: 20, untouched: 2 },
      };
      fleet.services.stepFunctions.install(
        MACHINE,
        machine({ Type: "Fail", Error: "FLEET", Cause: JSON.stringify(summary) }),
      );
      const { event, answer } = await deploy();
      await fleet.services.stepFunctions.ended(answer.Execution);
      const { payload } = await ask(event);
      expect(payload).toMatchObject({ errorType: "FLEET" });
      const { errorMessage } = Object(payload);
      expect(errorMessage).toMatch(
        /^FLEET: up on the fleet tenants: 1 done, 20 failed, 2 untouched\ntenant_0: SQL: poisoned x/,
      );
      expect(errorMessage).toMatch(
        /and 17 more\nAll outcomes: s3:\/\/fleet-bucket\/.*summary\.json\nWhat to do: Deploy again/,
      );
      expect(errorMessage).toContain('{"command": "up", "confirm": "tenants"}');
      expect(Buffer.byteLength(JSON.stringify(errorMessage))).toBeLessThan(1_500);
    });

    test("a deploy whose execution does not begin has the reason of the function that prepares it", async () => {
      const cause = {
        errorType: "TARGETS",
        errorMessage: "TARGETS: the query of the fleet has no targets\nWhat to do: Allow it.",
        trace: [],
      };
      fleet.services.stepFunctions.install(
        MACHINE,
        machine({ Type: "Fail", Error: "TARGETS", Cause: JSON.stringify(cause) }),
      );
      const { event, answer } = await deploy();
      await fleet.services.stepFunctions.ended(answer.Execution);
      const { payload } = await ask(event);
      expect(payload).toMatchObject({
        errorType: "TARGETS",
        errorMessage: expect.stringMatching(/^TARGETS: the query.*\nWhat to do: Allow it\.\nExecution arn/),
      });
    });

    test.each([
      [
        "is cancelled",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        0,
        "CANCELLED",
        /the stack is in UPDATE_ROLLBACK_IN_PROGRESS/,
      ],
      [
        "has waited for an hour",
        "UPDATE_IN_PROGRESS",
        56 * 60_000,
        "DEADLINE",
        /is not done after 55 minutes/,
      ],
    ] as const)(
      "a deploy that %s stops its execution, and says how to go on",
      async (_, status, waitedMs, code, message) => {
        fleet.services.stepFunctions.install(MACHINE, WAITS);
        const { event, answer } = await deploy();
        expect((await ask(event)).payload).toEqual({ IsComplete: false });
        fleet.services.cloudFormation.status = status;
        const { payload } = await ask({ ...event, Since: answer.Since - waitedMs });
        expect(payload).toMatchObject({ errorType: code, errorMessage: expect.stringMatching(message) });
        expect(Object(payload).errorMessage).toMatch(/its execution was stopped.*\nWhat to do: Deploy again/);
        const ended = await fleet.services.stepFunctions.ended(answer.Execution);
        expect(ended.status).toBe("ABORTED");
      },
    );

    test("a deploy whose execution somebody else has stopped fails", async () => {
      fleet.services.stepFunctions.install(MACHINE, WAITS);
      const { event, answer } = await deploy();
      fleet.services.stepFunctions.stopExecution(answer.Execution);
      await fleet.services.stepFunctions.ended(answer.Execution);
      expect((await ask(event)).payload).toMatchObject({
        errorType: "CANCELLED",
        errorMessage: expect.stringMatching(/was stopped/),
      });
    });
  });
