import { describe, expect, test } from "@jest/globals";
import validate from "asl-validator";
import { type FleetMachine, fleetDefinition } from "../../lib/constructs/fleet-definition.ts";
import type { State, Workflow } from "../../lib/constructs/state-language.ts";

const FLEET: FleetMachine = {
  machine: "operate",
  partition: "aws",
  functions: {
    prepare: "arn:aws:lambda:eu-west-1:111122223333:function:prepare",
    target: "arn:aws:lambda:eu-west-1:111122223333:function:target",
    check: "arn:aws:lambda:eu-west-1:111122223333:function:check",
    summarize: "arn:aws:lambda:eu-west-1:111122223333:function:summarize",
  },
  bucket: "results",
  source: { kind: "query" },
  settings: {
    name: "tenants",
    canary: "10 %",
    pauseSeconds: 60,
    approval: false,
    maxConcurrency: 20,
    maxConcurrencyPerServer: 10,
    toleratedFailures: 2,
    allowDown: false,
  },
};

const APPROVED: FleetMachine = {
  ...FLEET,
  settings: { ...FLEET.settings, approval: true },
  approval: {
    topicArn: "arn:aws:sns:eu-west-1:111122223333:approvals",
    region: "eu-west-1",
    timeoutSeconds: 3_600,
  },
};

/** All states by their names, those of maps too. */
function statesIn({ States }: Pick<Workflow, "States">): ReadonlyMap<string, State> {
  return new Map(
    Object.entries(States).flatMap(([name, state]) => {
      const inner = state["ItemProcessor"];
      return [[name, state] as const, ...(isWorkflow(inner) ? statesIn(inner) : [])];
    }),
  );
}

function isWorkflow(value: unknown): value is Workflow {
  return typeof value === "object" && value !== null && "States" in value;
}

function state(fleet: FleetMachine, name: string): State {
  const found = statesIn(fleetDefinition(fleet)).get(name);
  if (found === undefined) throw new Error(`no state ${name}`);
  return found;
}

test.each([
  ["that reads", { ...FLEET, machine: "status" }],
  ["that changes databases", FLEET],
  ["that asks for approval", APPROVED],
  ["with a list of targets", { ...FLEET, source: { kind: "list", targets: [{ schema: "acme" }] } }],
] satisfies [string, FleetMachine][])("the definition of a state machine %s is valid", (_, fleet) => {
  const result = validate(structuredClone(fleetDefinition(fleet)));
  expect(result.isValid ? "" : result.errorsText("\n")).toBe("");
});

test("the names of states are unique in the whole state machine, as Step Functions demands", () => {
  const names = (workflow: Pick<Workflow, "States">): string[] =>
    Object.entries(workflow.States).flatMap(([name, { ItemProcessor: inner }]) => [
      name,
      ...(isWorkflow(inner) ? names(inner) : []),
    ]);
  const all = names(fleetDefinition(APPROVED));
  expect(all).toContain("Run");
  expect(all).toHaveLength(new Set(all).size);
});

test("prepare gets the settings, the source of targets, and the input as the person wrote it", () => {
  expect(state(FLEET, "Prepare")).toMatchObject({
    Resource: "arn:aws:states:::lambda:invoke",
    Parameters: {
      FunctionName: FLEET.functions.prepare,
      Payload: {
        machine: "operate",
        "execution.$": "$$.Execution.Name",
        "request.$": "$",
        fleet: FLEET.settings,
        source: { kind: "query" },
      },
    },
  });
});

test("waves run one after the other, and what ends them early is summarized too", () => {
  expect(state(FLEET, "Waves")).toMatchObject({
    MaxConcurrency: 1,
    ItemsPath: "$.waves",
    ResultPath: null,
    Catch: [{ ErrorEquals: ["States.ALL"], ResultPath: "$.error", Next: "Summarize" }],
    Next: "Summarize",
  });
});

describe("a Distributed Map", () => {
  const targets = state(FLEET, "Targets");

  test("it reads its targets from S3 and writes what became of them there", () => {
    expect(targets).toMatchObject({
      ItemReader: {
        Resource: "arn:aws:states:::s3:getObject",
        ReaderConfig: { InputType: "JSON" },
        Parameters: { Bucket: "results", "Key.$": "$.group.key" },
      },
      ResultWriter: {
        Resource: "arn:aws:states:::s3:putObject",
        Parameters: { Bucket: "results", "Prefix.$": "$.group.resultPrefix" },
      },
    });
  });

  test("its limits come from the plan of the execution", () => {
    expect(targets).toMatchObject({
      MaxConcurrencyPath: "$.group.concurrency",
      ToleratedFailureCountPath: "$.tolerated",
    });
    expect(state(FLEET, "Groups")).toMatchObject({
      MaxConcurrencyPath: "$.wave.concurrency",
      ItemSelector: { "tolerated.$": "$.wave.tolerated", "group.$": "$$.Map.Item.Value" },
    });
  });

  test("too many failures end its group alone, so that the other groups leave results", () => {
    expect(targets["Catch"]).toEqual([
      { ErrorEquals: ["States.ExceedToleratedFailureThreshold"], Next: "Group done" },
    ]);
  });

  test("its children are standard executions, which may take longer than five minutes", () => {
    expect(targets["ItemProcessor"]).toMatchObject({
      ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
    });
  });
});

test("a target is invoked with what its last slice has answered until it is done or has failed", () => {
  expect(state(FLEET, "Run")).toMatchObject({
    Parameters: { FunctionName: FLEET.functions.target, "Payload.$": "$" },
    OutputPath: "$.Payload",
    Next: "Outcome",
  });
  expect(state(FLEET, "Wait")).toEqual({
    Type: "Wait",
    SecondsPath: "$.waitSeconds",
    OutputPath: "$.next",
    Next: "Run",
  });
  expect(state(FLEET, "Done")).toEqual({ Type: "Succeed", OutputPath: "$.answer" });
  expect(state(FLEET, "Failed")).toEqual({
    Type: "Fail",
    ErrorPath: "$.code",
    CausePath: "States.JsonToString($.answer)",
  });
});

test("every invocation is tried again when Lambda is busy or not ready, and with no other failure", () => {
  const tasks = [...statesIn(fleetDefinition(FLEET)).values()].filter(({ Type }) => Type === "Task");
  expect(tasks).toHaveLength(4);
  for (const { Retry } of tasks) {
    expect(Retry).toEqual([
      {
        ErrorEquals: expect.arrayContaining([
          "Lambda.TooManyRequestsException",
          "Lambda.ServiceException",
          "Lambda.ResourceNotReadyException",
        ]),
        ...{ IntervalSeconds: 2, BackoffRate: 2, MaxDelaySeconds: 60, MaxAttempts: 10 },
        JitterStrategy: "FULL",
      },
    ]);
    expect(JSON.stringify(Retry)).not.toMatch(/States\.|Lambda\.Unknown/);
  }
});

test("an execution fails with the code of its summary, and the summary as the cause", () => {
  expect(state(FLEET, "All well?")).toMatchObject({
    Choices: [{ Variable: "$.ok", BooleanEquals: true, Next: "All done" }],
    Default: "Some failed",
  });
  expect(state(FLEET, "Some failed")).toEqual({
    Type: "Fail",
    ErrorPath: "$.code",
    CausePath: "States.JsonToString($)",
  });
});

describe("with approval", () => {
  test("the message has the commands to approve and to refuse, with the token", () => {
    expect(state(APPROVED, "Approval")).toMatchObject({
      Resource: "arn:aws:states:::sns:publish.waitForTaskToken",
      TimeoutSeconds: 3_600,
      Parameters: {
        TopicArn: APPROVED.approval?.topicArn,
        Message: {
          "approve.$":
            "States.Format('aws stepfunctions send-task-success --task-output true --region eu-west-1 --task-token {}', $$.Task.Token)",
          "refuse.$":
            "States.Format('aws stepfunctions send-task-failure --error REFUSED --region eu-west-1 --task-token {}', $$.Task.Token)",
          "taskToken.$": "$$.Task.Token",
        },
      },
    });
  });

  test("only the waves that the plan says wait for it, after the pause", () => {
    expect(state(APPROVED, "Pause")).toMatchObject({
      SecondsPath: "$.wave.pauseSeconds",
      Next: "Needs approval?",
    });
    expect(state(APPROVED, "Needs approval?")).toMatchObject({
      Choices: [{ Variable: "$.wave.approval", BooleanEquals: true, Next: "Approval" }],
      Default: "Groups",
    });
  });

  test("without it there is no state that publishes", () => {
    expect(state(FLEET, "Pause")).toMatchObject({ Next: "Groups" });
    expect(JSON.stringify(fleetDefinition(FLEET))).not.toContain("sns");
  });
});
