import { ArnFormat, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";

/**
 * Lets Step Functions use the role of a state machine for this account only, as newer versions of CDK do.
 * https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
 */
export function protectRole(machine: StateMachine): void {
  const role = machine.role.node.defaultChild;
  if (!(role instanceof iam.CfnRole)) return;
  const stack = Stack.of(machine);
  const anyMachine = stack.formatArn({
    service: "states",
    resource: "stateMachine",
    resourceName: "*",
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  role.addPropertyOverride("AssumeRolePolicyDocument.Statement.0.Condition", {
    ArnLike: { "aws:SourceArn": anyMachine },
    StringEquals: { "aws:SourceAccount": stack.account },
  });
}
