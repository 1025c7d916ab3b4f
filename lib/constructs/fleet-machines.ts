import { ArnFormat, Aws, Duration, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as sns from "aws-cdk-lib/aws-sns";
import * as sfn from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import { given } from "../core/index.ts";
import {
  type FleetApproval,
  type FleetMachine,
  type FleetSettings,
  type FleetSource,
  fleetDefinition,
  TARGETS,
} from "./fleet-definition.ts";
import type { FleetFunctions } from "./fleet-functions.ts";
import type { FleetResults } from "./fleet-results.ts";
import { placeholder } from "./state-language.ts";
import { protectRole } from "./state-machine-role.ts";

/** What both state machines of a fleet are made of. */
export interface FleetParts {
  readonly functions: FleetFunctions;
  readonly settings: FleetSettings;
  readonly source: FleetSource;
  readonly results: FleetResults;
  readonly approval: Approval | undefined;
}

interface Approval {
  readonly topic: sns.ITopic;
  readonly timeout: Duration;
}

/** Who nobody asks within a week has forgotten it. */
export const APPROVAL_TIMEOUT = Duration.days(7);

/** The state machine that only reads; nobody approves or waits between its waves. */
export function statusMachine(scope: Construct, parts: FleetParts): sfn.StateMachine {
  const settings = { ...parts.settings, approval: false, pauseSeconds: 0 };
  return fleetMachine(scope, "StatusMachine", "status", { ...parts, settings, approval: undefined });
}

export function operateMachine(scope: Construct, parts: FleetParts): sfn.StateMachine {
  return fleetMachine(scope, "OperateMachine", "operate", parts);
}

/**
 * Names take the place of what is not known at synth, so that `cdk diff` shows the definition as a person reads it. No
 * logging: it needs the right to change every log delivery of the account, and Step Functions keeps the history of an
 * execution for 90 days.
 */
function fleetMachine(
  scope: Construct,
  id: string,
  machine: FleetMachine["machine"],
  { functions, settings, source, results, approval }: FleetParts,
): sfn.StateMachine {
  const { prepare, check, summarize } = functions;
  const invoked = { prepare, target: functions[machine].handler, check, summarize };
  const definition = fleetDefinition({
    ...{ machine, settings, source },
    partition: placeholder("partition"),
    functions: {
      prepare: placeholder("prepare"),
      target: placeholder("target"),
      check: placeholder("check"),
      summarize: placeholder("summarize"),
    },
    bucket: placeholder("bucket"),
    ...given({ approval: approval === undefined ? undefined : approvalSettings(approval) }),
  });
  const made = new sfn.StateMachine(scope, id, {
    comment: definition.Comment,
    definitionBody: sfn.DefinitionBody.fromString(Stack.of(scope).toJsonString(definition, 2)),
    definitionSubstitutions: {
      partition: Aws.PARTITION,
      ...Object.fromEntries(Object.entries(invoked).map(([name, { functionArn }]) => [name, functionArn])),
      bucket: results.bucket.bucketName,
      ...(approval === undefined ? {} : { topic: approval.topic.topicArn, region: Aws.REGION }),
    },
  });
  protectRole(made);
  const resources = Object.values(invoked).map(({ functionArn }) => functionArn);
  made.addToRolePolicy(new iam.PolicyStatement({ actions: ["lambda:InvokeFunction"], resources }));
  results.allow(made, ["s3:GetObject"], "*/items/*");
  results.allow(made, RESULT_WRITER, "*/results/*");
  approval?.topic.grantPublish(made);
  allowChildren(made);
  return made;
}

function approvalSettings({ timeout }: Approval): FleetApproval {
  return {
    topicArn: placeholder("topic"),
    region: placeholder("region"),
    timeoutSeconds: timeout.toSeconds(),
  };
}

/** https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html */
const RESULT_WRITER = [
  "s3:PutObject",
  "s3:GetObject",
  "s3:ListMultipartUploadParts",
  "s3:AbortMultipartUpload",
];

/**
 * A Distributed Map starts executions of its own state machine. A policy of its own, because the state machine depends on
 * the other one. Nothing is redriven: another execution goes on where this one has ended.
 * https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
 */
function allowChildren(machine: sfn.StateMachine): void {
  const policy = new iam.Policy(machine, "Children", {
    statements: [
      new iam.PolicyStatement({ actions: ["states:StartExecution"], resources: [machine.stateMachineArn] }),
      new iam.PolicyStatement({
        actions: ["states:DescribeExecution", "states:StopExecution"],
        resources: [executionsOf(machine), executionsOf(machine, `/${TARGETS}`)],
      }),
    ],
  });
  policy.attachToRole(machine.role);
}

/** ARN of all executions of a state machine, or of the child executions of one of its Distributed Maps. */
export function executionsOf(machine: sfn.StateMachine, map = ""): string {
  return Stack.of(machine).formatArn({
    service: "states",
    resource: "execution",
    resourceName: `${machine.stateMachineName}${map}:*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}
