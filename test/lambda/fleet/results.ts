import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { ASSET } from "../../../lambda/contract.ts";
import { BUCKET, type FleetFunctions, type FleetTests } from "./functions.ts";

const PREFIX = "tenants/executions/second/";

/** What a Distributed Map writes of a child execution, without the fields that nobody reads. */
interface Child {
  readonly Status: "SUCCEEDED" | "FAILED" | "ABORTED" | "PENDING";
  readonly target: string;
  readonly output?: object;
  readonly error?: string;
  readonly cause?: string | object;
}

/** Results as AWS documents them, handed to the functions that read them. */
export const results: FleetTests = (opened) =>
  describe("the results of an execution of a fleet", () => {
    let fleet: FleetFunctions;
    beforeAll(() => {
      fleet = opened();
    });
    beforeEach(() => {
      const { s3 } = fleet.services;
      for (const key of s3.keys(BUCKET, PREFIX)) s3.remove(BUCKET, key);
    });

    const write = (group: string, ...children: readonly Child[]) => {
      const { s3 } = fleet.services;
      const folder = `${PREFIX}results/${group}/0b0d7b5e`;
      const fileOf = ({ Status }: Child) => (Status === "ABORTED" ? "FAILED" : Status);
      const ResultFiles = ["SUCCEEDED", "FAILED", "PENDING"].flatMap((kind) => {
        const some = children.filter((child) => fileOf(child) === kind);
        const key = `${folder}/${kind}_0.json`;
        s3.put(BUCKET, key, JSON.stringify(some.map(record)));
        return some.length === 0 ? [] : [[kind, [{ Key: key, Size: 1 }]] as const];
      });
      const manifest = {
        DestinationBucket: BUCKET,
        MapRunArn: "arn:run",
        ResultFiles: Object.fromEntries(ResultFiles),
      };
      s3.put(BUCKET, `${folder}/manifest.json`, JSON.stringify(manifest));
    };
    const record = ({ Status, target, output, error, cause }: Child) => ({
      ...{
        Status,
        Name: "0a1b",
        ExecutionArn: "arn:child",
        Input: JSON.stringify({ target: { name: target } }),
      },
      ...(output === undefined ? {} : { Output: JSON.stringify(output) }),
      ...(error === undefined ? {} : { Error: error }),
      ...(cause === undefined ? {} : { Cause: typeof cause === "string" ? cause : JSON.stringify(cause) }),
    });
    const done = (target: string, head = "2_t2"): Child => ({
      ...{ Status: "SUCCEEDED", target },
      output: { target, outcome: "done", head, completed: 2, pending: 0 },
    });
    const failed = (target: string, message = "poisoned"): Child => {
      const cause = { target, outcome: "failed", code: "SQL", message, head: "1_t1", completed: 1 };
      return { Status: "FAILED", target, error: "SQL", cause };
    };

    const check = async (changes: object) => {
      const groups = [{ resultPrefix: `${PREFIX}results/1-0` }, { resultPrefix: `${PREFIX}results/1-1` }];
      const wave = { name: "rest", count: 3, tolerated: 1, groups, ...changes };
      return (await fleet.invoke(ASSET.fleetCheckHandler, { execution: "second", fleet: "tenants", wave }))
        .payload;
    };

    test("a wave stops the next ones when more of its targets failed than are tolerated, or are not known", async () => {
      write("1-0", done("a"), done("b"));
      expect(await check({})).toEqual({ stop: false });
      expect(await check({ tolerated: 0 })).toEqual({ stop: true });
      write("1-1", failed("c"));
      expect(await check({})).toEqual({ stop: false });
      expect(await check({ tolerated: 0 })).toEqual({ stop: true });
      expect(
        await check({ tolerated: 0, groups: [{ resultPrefix: `${PREFIX}results/1-0` }], count: 2 }),
      ).toEqual({ stop: false });
    });

    const plan = (machine: "operate" | "status", ...waves: readonly object[]) => {
      const command = machine === "operate" ? "up" : "status";
      const content = { fleet: "tenants", machine, command, release: "r", execution: "second", waves };
      fleet.services.s3.put(BUCKET, `${PREFIX}plan.json`, JSON.stringify(content));
    };
    const summarize = async (error?: object) => {
      const plan = { prefix: PREFIX, ...(error === undefined ? {} : { error }) };
      return Object((await fleet.invoke(ASSET.fleetSummarizeHandler, { execution: "second", plan })).payload);
    };

    test("a summary counts every target of the plan once, and tells of all in a file", async () => {
      const names = ["a", "b", "c", "killed", "stopped", "waiting", "never"];
      plan(
        "operate",
        { name: "canary", tolerated: 0, targets: ["first"] },
        { name: "rest", tolerated: 1, targets: names },
      );
      write("0-0", done("first"));
      write(
        "1-0",
        ...[done("a"), done("b", "1_t1"), failed("c")],
        ...([
          {
            Status: "FAILED",
            target: "killed",
            error: "Sandbox.Timedout",
            cause: { errorMessage: "Task timed out" },
          },
          { Status: "ABORTED", target: "stopped" },
          { Status: "PENDING", target: "waiting" },
        ] satisfies Child[]),
      );
      const before = fleet.services.recorder.emissions.length;
      const summary = await summarize({ Error: "FLEET_STOPPED", Cause: "" });
      expect(summary).toEqual({
        ...{ ok: false, code: "FLEET", fleet: "tenants", command: "up", release: "r", execution: "second" },
        counts: { done: 3, failed: 3, untouched: 2 },
        versions: [
          { head: "1_t1", count: 2, behind: 0 },
          { head: "2_t2", count: 2, behind: 0 },
        ],
        failed: [
          expect.objectContaining({ target: "c", code: "SQL", message: "poisoned" }),
          expect.objectContaining({ target: "killed", code: "Sandbox.Timedout", message: "Task timed out" }),
          expect.objectContaining({ target: "stopped", code: "CANCELLED" }),
        ],
        summary: `s3://${BUCKET}/${PREFIX}summary.json`,
        error: { Error: "FLEET_STOPPED", Cause: "" },
      });
      const { outcomes } = JSON.parse(fleet.services.s3.get(BUCKET, `${PREFIX}summary.json`) ?? "");
      expect(outcomes.map(({ target, outcome }: Record<string, string>) => `${target} ${outcome}`)).toEqual([
        ...[
          "first done",
          "a done",
          "b done",
          "c failed",
          "killed failed",
          "stopped failed",
          "waiting untouched",
          "never untouched",
        ],
      ]);
      const metrics = fleet.services.recorder.since(before).find(({ text }) => text.includes("TargetsDone"));
      expect(JSON.parse(metrics?.text ?? "")).toMatchObject({
        ...{ Fleet: "tenants", TargetsDone: 3, TargetsFailed: 3, TargetsUntouched: 2 },
        _aws: { CloudWatchMetrics: [{ Namespace: "CdkPgMigrate", Dimensions: [["Fleet"]] }] },
      });
    });

    test("a summary is right about failures that are tolerated, and about those of an attempt before the last one", async () => {
      plan("operate", { name: "all", tolerated: 1, targets: ["a", "b", "c"] });
      write("0-0", done("a"), failed("b"), failed("c"));
      expect(await summarize()).toMatchObject({ ok: false, counts: { done: 1, failed: 2 } });
      write("0-0/again", done("c"));
      const summary = await summarize();
      expect(summary).toMatchObject({
        ok: true,
        counts: { done: 2, failed: 1, untouched: 0 },
        failed: [{ target: "b" }],
      });
      expect(summary.code).toBeUndefined();
    });

    test("a summary of thousands of failures fits into what Step Functions shows of one, and a status counts nothing in CloudWatch", async () => {
      const targets = Array.from({ length: 5_000 }, (_, n) => `tenant_${n}`);
      plan("status", { name: "all", tolerated: 0, targets });
      write("0-0", ...targets.map((name) => failed(name, "x".repeat(1_000))));
      const before = fleet.services.recorder.emissions.length;
      const summary = await summarize();
      expect(summary).toMatchObject({ ok: false, counts: { failed: 5_000 } });
      expect(summary.failed).toHaveLength(20);
      expect(JSON.stringify(summary).length).toBeLessThan(32_000);
      expect(fleet.services.recorder.since(before).some(({ text }) => text.includes("TargetsDone"))).toBe(
        false,
      );
    });

    test("results that cannot be read fail the step with the object, its reason and what to do", async () => {
      plan("operate", { name: "all", tolerated: 0, targets: ["a"] });
      fleet.services.s3.deny("ListBucket", BUCKET);
      expect(await summarize()).toMatchObject({
        errorType: "FLEET",
        errorMessage: expect.stringMatching(
          /s3:\/\/fleet-bucket\/.* cannot be listed: AccessDenied.*s3:ListBucket/s,
        ),
      });
      fleet.services.s3.allow();
      expect((await fleet.invoke(ASSET.fleetSummarizeHandler, {})).payload).toMatchObject({
        errorType: "ASSET",
      });
      expect((await fleet.invoke(ASSET.fleetCheckHandler, {})).payload).toMatchObject({ errorType: "ASSET" });
    });
  });
