import { Aws, Duration } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as sfn from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import { type Definition, type InvokedFunction, placeholder, untilDone } from "./state-language.ts";
import { protectRole } from "./state-machine-role.ts";

/** A run, and what it waits for: an index that the server builds, or another run. */
const LONGEST_RUN = Duration.days(7);

/** What an operator needs for an execution that is started: to look at it, to stop it, and to go on where it was cut off. */
const EXECUTION_ACTIONS = ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"];

/** The payload of an operator becomes the first slice. */
export function runnerDefinition(operate: InvokedFunction): Definition & { readonly TimeoutSeconds: number } {
  const slices = untilDone(operate);
  return {
    Comment: "Runs a command of the operate function, in as many slices as it needs",
    TimeoutSeconds: LONGEST_RUN.toSeconds(),
    StartAt: "Begin",
    States: {
      Begin: {
        Type: "Pass",
        Parameters: { slice: { "execution.$": "$$.Execution.Name" }, "request.$": "$" },
        Next: slices.StartAt,
      },
      ...slices.States,
    },
  };
}

/**
 * The state machine that runs commands of operators for longer than a function can. It may invoke the operate function, and
 * nothing else. It has no log of its own: for one, its role would need rights on every log delivery of the account, and the
 * function logs each slice. Names take the place of what is not known at synth, so that `cdk diff` shows the definition.
 */
export function migrationRunner(scope: Construct, { functionArn }: lambda.IFunction): sfn.StateMachine {
  const definition = runnerDefinition({
    partition: placeholder("partition"),
    functionArn: placeholder("operate"),
  });
  const machine = new sfn.StateMachine(scope, "Runner", {
    definitionBody: sfn.DefinitionBody.fromString(JSON.stringify(definition, undefined, 2)),
    definitionSubstitutions: { partition: Aws.PARTITION, operate: functionArn },
  });
  protectRole(machine);
  machine.addToRolePolicy(
    new iam.PolicyStatement({ actions: ["lambda:InvokeFunction"], resources: [functionArn] }),
  );
  return machine;
}

/** Allows to start executions of the runner, and what an operator then needs. */
export function grantExecutions(runner: sfn.StateMachine, grantee: iam.IGrantable): iam.Grant {
  return runner.grantStartExecution(grantee).combine(runner.grantExecution(grantee, ...EXECUTION_ACTIONS));
}
