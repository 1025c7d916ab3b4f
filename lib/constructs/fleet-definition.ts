import {
  type Definition,
  failWith,
  type InvokedFunction,
  invoke,
  untilDone,
  type Workflow,
} from "./state-language.ts";

/** Where the targets of a fleet come from. The query itself is a setting of the function that runs it. */
export type FleetSource = { readonly allowEmpty?: true } & (
  | { readonly kind: "query" }
  | { readonly kind: "list"; readonly targets: readonly object[] }
  | { readonly kind: "secretsByTag"; readonly key: string; readonly value: string }
  | { readonly kind: "json"; readonly bucket: string; readonly key: string }
);

/** How the targets of a fleet are divided into waves. */
export interface FleetSettings {
  readonly name: string;
  readonly canary: number | string | readonly string[];
  readonly pauseSeconds: number;
  /** Whether a person must approve each wave after the first one. */
  readonly approval: boolean;
  readonly maxConcurrency: number;
  readonly maxConcurrencyPerServer: number;
  readonly toleratedFailures: number;
  readonly allowDown: boolean;
}

/** What a state machine of a fleet is made of. */
export interface FleetMachine {
  /** The one that reads, or the one that changes databases: IAM cannot look into the input of an execution. */
  readonly machine: "status" | "operate";
  /** Partition of AWS. */
  readonly partition: string;
  /** ARNs of the functions. */
  readonly functions: Readonly<Record<"prepare" | "target" | "check" | "summarize", string>>;
  /** Name of the bucket for the lists of targets and the results. */
  readonly bucket: string;
  readonly settings: FleetSettings;
  readonly source: FleetSource;
  /** Absent if `settings.approval` is false. */
  readonly approval?: FleetApproval;
}

export interface FleetApproval {
  readonly topicArn: string;
  readonly region: string;
  /** After which nobody has approved. */
  readonly timeoutSeconds: number;
}

/** Error of an execution whose waves were stopped after too many failures. */
const STOPPED = "FLEET_STOPPED";

/**
 * The definition of a state machine: it prepares waves of targets, runs one after the other, and summarizes what became of
 * every target. What ends the waves early, ends in the summary too.
 */
export function fleetDefinition(fleet: FleetMachine): Definition {
  const { machine, settings, source } = fleet;
  const of = (name: keyof FleetMachine["functions"]) => invokedBy(fleet, name);
  return {
    Comment: `Postgres migrations of the fleet ${settings.name}: ${machine === "status" ? "status and plan" : "up and down"}`,
    StartAt: "Prepare",
    States: {
      Prepare: {
        ...invoke(of("prepare"), {
          Payload: {
            machine,
            "execution.$": "$$.Execution.Name",
            "request.$": "$",
            fleet: settings,
            source,
          },
        }),
        Next: "Waves",
      },
      Waves: {
        Type: "Map",
        // One after the other, in their order: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
        MaxConcurrency: 1,
        ItemsPath: "$.waves",
        ItemSelector: {
          "execution.$": "$$.Execution.Name",
          "fleet.$": "$.fleet",
          "command.$": "$.command",
          "wave.$": "$$.Map.Item.Value",
        },
        ItemProcessor: { ProcessorConfig: { Mode: "INLINE" }, ...waveWorkflow(fleet) },
        ResultPath: null,
        Catch: [{ ErrorEquals: ["States.ALL"], ResultPath: "$.error", Next: "Summarize" }],
        Next: "Summarize",
      },
      Summarize: {
        ...invoke(of("summarize"), { Payload: { "execution.$": "$$.Execution.Name", "plan.$": "$" } }),
        Next: "All well?",
      },
      "All well?": {
        Type: "Choice",
        Choices: [{ Variable: "$.ok", BooleanEquals: true, Next: "All done" }],
        Default: "Some failed",
      },
      "All done": { Type: "Succeed" },
      "Some failed": failWith("$.code", "$"),
    },
  };
}

function invokedBy(
  { partition, functions }: FleetMachine,
  name: keyof FleetMachine["functions"],
): InvokedFunction {
  return { partition, functionArn: functions[name] };
}

/** Pause, approval, all groups of the wave, and the decision whether the next one may begin. */
function waveWorkflow(fleet: FleetMachine): Workflow {
  const { approval } = fleet;
  return {
    StartAt: "Pause",
    States: {
      Pause: {
        Type: "Wait",
        SecondsPath: "$.wave.pauseSeconds",
        Next: approval === undefined ? "Groups" : "Needs approval?",
      },
      ...(approval === undefined ? {} : approvalStates(fleet.partition, approval)),
      Groups: {
        Type: "Map",
        MaxConcurrencyPath: "$.wave.concurrency",
        ItemsPath: "$.wave.groups",
        ItemSelector: { "tolerated.$": "$.wave.tolerated", "group.$": "$$.Map.Item.Value" },
        ItemProcessor: { ProcessorConfig: { Mode: "INLINE" }, ...groupWorkflow(fleet) },
        ResultPath: null,
        Next: "Check",
      },
      Check: {
        ...invoke(invokedBy(fleet, "check"), {
          Payload: { "execution.$": "$.execution", "fleet.$": "$.fleet", "wave.$": "$.wave" },
        }),
        Next: "Too many failures?",
      },
      "Too many failures?": {
        Type: "Choice",
        Choices: [{ Variable: "$.stop", BooleanEquals: true, Next: "Stop" }],
        Default: "Wave done",
      },
      Stop: {
        Type: "Fail",
        Error: STOPPED,
        Cause: "More targets of a wave failed than are tolerated, so that the next wave did not begin.",
      },
      "Wave done": { Type: "Succeed" },
    },
  };
}

/**
 * Publishes a message with the commands that approve or refuse the wave, and waits for one of them.
 * https://docs.aws.amazon.com/step-functions/latest/dg/connect-sns.html
 */
function approvalStates(
  partition: string,
  { topicArn, region, timeoutSeconds }: FleetApproval,
): Workflow["States"] {
  const command = (rest: string) =>
    `States.Format('aws stepfunctions ${rest} --region ${region} --task-token {}', $$.Task.Token)`;
  return {
    "Needs approval?": {
      Type: "Choice",
      Choices: [{ Variable: "$.wave.approval", BooleanEquals: true, Next: "Approval" }],
      Default: "Groups",
    },
    Approval: {
      Type: "Task",
      Resource: `arn:${partition}:states:::sns:publish.waitForTaskToken`,
      Parameters: {
        TopicArn: topicArn,
        Subject: "Postgres migrations wait for approval",
        Message: {
          "fleet.$": "$.fleet",
          "command.$": "$.command",
          "execution.$": "$.execution",
          "wave.$": "$.wave.name",
          "targets.$": "$.wave.count",
          "approve.$": command("send-task-success --task-output true"),
          "refuse.$": command("send-task-failure --error REFUSED"),
          "taskToken.$": "$$.Task.Token",
        },
      },
      TimeoutSeconds: timeoutSeconds,
      ResultPath: null,
      Next: "Groups",
    },
  };
}

/**
 * The targets of a group, each in a child execution of its own. A group with too many failures ends by itself: the others of
 * its wave go on to their end, because a child execution that is stopped leaves no result.
 * https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
 * https://docs.aws.amazon.com/step-functions/latest/dg/maprun-fail-threshold.html
 */
function groupWorkflow(fleet: FleetMachine): Workflow {
  const { partition, bucket } = fleet;
  return {
    StartAt: TARGETS,
    States: {
      [TARGETS]: {
        Type: "Map",
        Label: TARGETS,
        MaxConcurrencyPath: "$.group.concurrency",
        ToleratedFailureCountPath: "$.tolerated",
        ItemReader: {
          Resource: `arn:${partition}:states:::s3:getObject`,
          ReaderConfig: { InputType: "JSON" },
          Parameters: { Bucket: bucket, "Key.$": "$.group.key" },
        },
        ItemProcessor: {
          ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
          ...untilDone(invokedBy(fleet, "target")),
        },
        ResultWriter: {
          Resource: `arn:${partition}:states:::s3:putObject`,
          Parameters: { Bucket: bucket, "Prefix.$": "$.group.resultPrefix" },
        },
        Catch: [{ ErrorEquals: ["States.ExceedToleratedFailureThreshold"], Next: "Group done" }],
        Next: "Group done",
      },
      // What the Map answers is in S3, and the answers of many groups would be more than a state may hold.
      "Group done": { Type: "Succeed", OutputPath: null },
    },
  };
}

/** Name and label of the Distributed Map. The label is part of the ARNs of its child executions. */
export const TARGETS = "Targets";
