import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
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
  const service = new StepFunctions({ invoke, invokeUnseen: invoke }, recorder);
  service.install(MACHINE, JSON.stringify({ StartAt: Object.keys(states)[0], States: states }));
  const start = (input: object = {}, name?: string) =>
    service.startExecution(MACHINE, JSON.stringify(input), name).executionArn;
  return { service, calls, recorder, start, run: (input?: object) => service.ended(start(input)) };
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
  const { run } = machineOf(LOOP, () => ({ outcome: "failed", code: "ORDER" }));
  const cause = '{"outcome":"failed","code":"ORDER"}';
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
  await service.settled();
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
