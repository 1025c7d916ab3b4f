import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { S3 } from "./cloud/s3.ts";
import { StepFunctions } from "./cloud/step-functions.ts";
import { Recorder } from "./recorder.ts";

const MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:one";
const FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:work";

type Answer = (payload: { readonly [key: string]: unknown }, call: number) => unknown;

/** A state machine over one function, which fails where `answer` throws. */
function machineOf(states: Readonly<Record<string, object>>, answer: Answer = (payload) => payload) {
  const calls: unknown[] = [];
  const invoke = async (_: string, text: string) => {
    const payload = JSON.parse(text);
    calls.push(payload);
    try {
      return { failed: false, payload: JSON.stringify(await answer(payload, calls.length)) };
    } catch (error) {
      return { failed: true, payload: JSON.stringify({ errorType: String(error), errorMessage: "no" }) };
    }
  };
  const recorder = new Recorder();
  const s3 = new S3();
  const service = new StepFunctions({ invoke, invokeUnseen: invoke }, s3, recorder);
  service.install(MACHINE, JSON.stringify({ StartAt: Object.keys(states)[0], States: states }));
  const start = (input: object = {}, name?: string) =>
    service.startExecution(MACHINE, JSON.stringify(input), name).executionArn;
  return { service, s3, calls, recorder, start, run: (input?: object) => service.ended(start(input)) };
}

/** Calls the function until its answer says that it is done. */
const LOOP = {
  Run: {
    Type: "Task",
    Resource: "arn:aws:states:::lambda:invoke",
    Parameters: {
      FunctionName: FUNCTION,
      Payload: { "execution.$": "$$.Execution.Name", "next.$": "$.next" },
    },
    ResultSelector: { "answer.$": "$.Payload" },
    Retry: [{ ErrorEquals: ["Lambda.ServiceException"], IntervalSeconds: 2, MaxAttempts: 2, BackoffRate: 2 }],
    Next: "Decide",
  },
  Decide: {
    Type: "Choice",
    Choices: [
      { Variable: "$.answer.outcome", StringEquals: "done", Next: "Done" },
      { Variable: "$.answer.outcome", StringEquals: "continue", Next: "Wait" },
    ],
    Default: "Failed",
  },
  Wait: { Type: "Wait", SecondsPath: "$.answer.waitSeconds", Next: "Again" },
  Again: { Type: "Pass", Parameters: { "next.$": "$.answer.next" }, Next: "Run" },
  Done: { Type: "Succeed", OutputPath: "$.answer" },
  Failed: { Type: "Fail", ErrorPath: "$.answer.code", CausePath: "States.JsonToString($.answer)" },
};

test("a state machine of the harness loops over a function with waits, and ends with its answer", async () => {
  const { run, calls } = machineOf(LOOP, ({ next }) =>
    next === 3 ? { outcome: "done" } : { outcome: "continue", next: Number(next) + 1, waitSeconds: 30 },
  );
  expect(await run({ next: 1 })).toMatchObject({ status: "SUCCEEDED", output: '{"outcome":"done"}' });
  expect(calls).toEqual(
    [1, 2, 3].map((next) => ({ execution: expect.stringMatching(/^[0-9a-f-]{36}$/), next })),
  );
});

test("an execution of the harness fails with the code and the answer that a Fail state computes", async () => {
  const { run } = machineOf(LOOP, () => ({
    outcome: "failed",
    code: "ORDER",
    message: 'a "quoted" name',
  }));
  const cause = '{"outcome":"failed","code":"ORDER","message":"a \\"quoted\\" name"}';
  expect(await run({ next: 1 })).toMatchObject({ status: "FAILED", error: "ORDER", cause });
});

test("an execution of the harness tries a function again as Retry says, and fails with the error that it does not name", async () => {
  const { run, calls } = machineOf(LOOP, (_, call) => {
    throw call < 3 ? "Lambda.ServiceException" : "Runtime.ExitError";
  });
  const cause = '{"errorType":"Runtime.ExitError","errorMessage":"no"}';
  expect(await run({ next: 1 })).toMatchObject({ status: "FAILED", error: "Runtime.ExitError", cause });
  expect(calls).toHaveLength(3);
});

test("an execution of the harness fails when a state's data is larger than 256 KiB, whatever its Catch says", async () => {
  const task = { Type: "Task", Resource: FUNCTION, Catch: [{ ErrorEquals: ["States.ALL"], Next: "End" }] };
  const { run } = machineOf({ Run: { ...task, Next: "End" }, End: { Type: "Succeed" } }, () =>
    "x".repeat(262_143),
  );
  expect(await run()).toMatchObject({ status: "FAILED", error: "States.DataLimitExceeded" });
});

test("StartExecution of the harness takes a name once, and again while that execution runs with the same input", async () => {
  const { service, start } = machineOf({ End: { Type: "Succeed" } });
  expect(start({ a: 1 }, "x")).toBe(start({ a: 1 }, "x"));
  expect(() => start({ a: 2 }, "x")).toThrow(/already exists/i);
  await service.ended(start({ a: 1 }, "x"));
  expect(() => start({ a: 1 }, "x")).toThrow(/already exists/i);
});

test("StopExecution of the harness ends an execution before its next state", async () => {
  const states = {
    Run: { Type: "Task", Resource: FUNCTION, Next: "More" },
    More: { Type: "Task", Resource: FUNCTION, End: true },
  };
  const { service, start, calls } = machineOf(states, async () => {
    await sleep(1);
    service.stopExecution(arn);
  });
  const arn = start();
  expect(await service.ended(arn)).toMatchObject({ status: "ABORTED" });
  expect(calls).toHaveLength(1);
});

test("the history of an execution in the harness has the data of every state", async () => {
  const { run, recorder } = machineOf(
    { Run: { Type: "Task", Resource: FUNCTION, End: true } },
    () => "the answer",
  );
  await run({ given: "the input" });
  expect(recorder.emissions.every(({ kind }) => kind === "history")).toBe(true);
  expect(recorder.emissions.map(({ text }) => text).join()).toMatch(/the input[\s\S]*the answer/);
});

test("the harness refuses a definition that breaks the rules of the states language", () => {
  expect(() => machineOf({ Run: { Type: "Task", Resource: FUNCTION, Next: "Nowhere" } })).toThrow(/Nowhere/);
});

/** As many children at once as the input says. */
const MAP = {
  Targets: {
    Type: "Map",
    Label: "Targets",
    ItemReader: {
      Resource: "arn:aws:states:::s3:getObject",
      ReaderConfig: { InputType: "JSON" },
      Parameters: { Bucket: "bucket", "Key.$": "$.key" },
    },
    MaxConcurrencyPath: "$.concurrency",
    ToleratedFailureCountPath: "$.tolerated",
    ItemProcessor: {
      ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
      StartAt: "Run",
      States: {
        Run: { Type: "Task", Resource: FUNCTION, Next: "Wait" },
        Wait: { Type: "Wait", Seconds: 5, Next: "Done" },
        Done: { Type: "Succeed" },
      },
    },
    ResultWriter: {
      Resource: "arn:aws:states:::s3:putObject",
      Parameters: { Bucket: "bucket", "Prefix.$": "States.Format('results/{}', $$.Execution.Name)" },
    },
    ResultPath: "$.run",
    Next: "End",
  },
  End: { Type: "Succeed" },
};

function mapOf(items: readonly unknown[], answer: Answer) {
  const made = machineOf(MAP, answer);
  made.s3.put("bucket", "items.json", JSON.stringify(items));
  const files = () =>
    Object.fromEntries(
      made.s3.keys("bucket", "results/").map((key) => {
        const [, , , name = ""] = key.split("/");
        return [name, JSON.parse(made.s3.get("bucket", key) ?? "")];
      }),
    );
  return { ...made, files };
}

test("a Distributed Map of the harness runs an execution for each item, as many at once as it may, and writes the results", async () => {
  let [running, most] = [0, 0];
  const { run, files, service } = mapOf([{ n: 1 }, { n: 2 }, { n: 3 }], async (item) => {
    running += 1;
    most = Math.max(most, running);
    await sleep(5);
    running -= 1;
    if (item["n"] === 2) throw "ORDER";
    return item;
  });
  const { output = "", status } = await run({ key: "items.json", concurrency: 2, tolerated: 1 });
  expect(status).toBe("SUCCEEDED");
  expect(most).toBe(2);
  const { MapRunArn, ResultWriterDetails } = JSON.parse(output).run;
  expect(MapRunArn).toMatch(/^arn:aws:states:eu-west-1:123456789012:mapRun:one\/Targets:[0-9a-f-]{36}$/);
  expect(ResultWriterDetails.Key).toMatch(/^results\/[0-9a-f-]{36}\/[0-9a-f-]{36}\/manifest\.json$/);
  expect(files()).toMatchObject({
    "manifest.json": {
      DestinationBucket: "bucket",
      ResultFiles: { PENDING: [], FAILED: [{}], SUCCEEDED: [{}] },
    },
    "SUCCEEDED_0.json": [1, 3].map((n) => ({
      Status: "SUCCEEDED",
      Output: `{"n":${n}}`,
      Input: `{"n":${n}}`,
    })),
    "FAILED_0.json": [{ Status: "FAILED", Error: "ORDER", Input: '{"n":2}' }],
  });
  expect(service.executionsOf(`${MACHINE}/Targets`)).toHaveLength(3);
});

test("a Distributed Map of the harness fails once more items have failed than it tolerates: what runs is stopped, the rest pending", async () => {
  const items = [1, 2, 3, 4].map((n) => ({ n }));
  const { run, files, calls } = mapOf(items, async ({ n }) => {
    if (n === 1) throw "ORDER";
    await sleep(30);
    return n;
  });
  expect(await run({ key: "items.json", concurrency: 2, tolerated: 0 })).toMatchObject({
    status: "FAILED",
    error: "States.ExceedToleratedFailureThreshold",
  });
  expect(calls).toHaveLength(2);
  expect(files()).toMatchObject({
    "FAILED_0.json": [{ Status: "FAILED" }, { Status: "ABORTED" }],
    "PENDING_0.json": [{ n: 3 }, { n: 4 }].map((item) => ({
      Input: JSON.stringify(item),
      InputDetails: { Included: true },
      Status: "PENDING",
    })),
  });
});

test("StopExecution of the harness stops the children of a Distributed Map", async () => {
  const { service, start, calls } = mapOf([{}, {}, {}], () => sleep(20));
  const arn = start({ key: "items.json", concurrency: 1, tolerated: 0 });
  await sleep(5);
  service.stopExecution(arn);
  expect(await service.ended(arn)).toMatchObject({ status: "ABORTED" });
  await sleep(30);
  expect(calls).toHaveLength(1);
  expect(service.executions.map(({ status }) => status)).toEqual(["ABORTED", "ABORTED"]);
});

test("a Distributed Map of the harness fails when there is nothing to read", async () => {
  const { run } = mapOf([], () => null);
  expect(await run({ key: "absent.json", concurrency: 1, tolerated: 0 })).toMatchObject({
    error: "States.ItemReaderFailed",
  });
});

test("a task of the harness waits for an answer to the message that it has published, within its time", async () => {
  const approval = {
    Type: "Task",
    Resource: "arn:aws:states:::sns:publish.waitForTaskToken",
    Parameters: {
      TopicArn: "arn:aws:sns:eu-west-1:123456789012:a",
      "Message.$": "States.Format('go on? {}', $$.Task.Token)",
    },
    TimeoutSeconds: 10_000,
    End: true,
  };
  const { service, start } = machineOf({ Approval: approval });
  const arn = start();
  await sleep(5);
  const [{ text, token } = { text: "", token: "" }] = service.messages;
  expect(text).toBe(`go on? ${token}`);
  service.sendTaskSuccess(token, '{"by":"me"}');
  expect(await service.ended(arn)).toMatchObject({ status: "SUCCEEDED", output: '{"by":"me"}' });
  expect(() => service.sendTaskSuccess(token, "{}")).toThrow();
  const late = machineOf({ Approval: { ...approval, TimeoutSeconds: 5 } });
  expect(await late.run()).toMatchObject({ status: "FAILED", error: "States.Timeout" });
});
