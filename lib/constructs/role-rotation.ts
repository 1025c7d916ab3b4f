import { Aws, type CustomResource, Duration, Stack } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import * as events from "aws-cdk-lib/aws-events";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { CfnElement } from "aws-cdk-lib/core";
import type { Construct } from "constructs";
import { ASSET, ENV } from "../../lambda/contract.ts";
import { loggedFunction } from "./functions.ts";
import { failureAlarm } from "./migration-alarms.ts";
import type { ForRoles } from "./postgres-migrations.ts";

/** The secret of a role, and how often its password changes. */
export interface RoleRotation {
  readonly secret: secretsmanager.ISecret;
  readonly encryptionKey: kms.IKey | undefined;
  readonly roleName: string;
  readonly roleResource: CustomResource;
  readonly rotateAfter: Duration;
  readonly migrations: ForRoles;
}

/**
 * Has Secrets Manager rotate the secret with a function of this package. It logs in as the functions of the migrations
 * do, beside them.
 */
export function rotateSecret(scope: Construct, rotation: RoleRotation): cloudwatch.Alarm {
  const { secret, roleName, roleResource, rotateAfter, migrations } = rotation;
  const { handler } = loggedFunction(scope, "Rotation", migrations.props, migrations.settings, {
    handler: ASSET.rotateHandler,
    description: `Changes the password of the Postgres role ${roleName}`,
    environment: {
      [ENV.role]: roleName,
      [ENV.roleResource]: `${Aws.STACK_NAME}/${logicalIdOf(roleResource)}`,
      [ENV.roleSecretArn]: secret.secretArn,
    },
  });
  grantRotation(rotation, handler);
  handler.addPermission("SecretsManager", {
    principal: new iam.ServicePrincipal("secretsmanager.amazonaws.com"),
    sourceAccount: Aws.ACCOUNT_ID,
  });
  const schedule = new secretsmanager.CfnRotationSchedule(scope, "Schedule", {
    secretId: secret.secretArn,
    rotationLambdaArn: handler.functionArn,
    rotationRules: { scheduleExpression: events.Schedule.rate(inWholeUnits(rotateAfter)).expressionString },
  });
  // The first rotation begins at once: the role must be there, and the function must be able to do its work.
  schedule.node.addDependency(roleResource, handler);
  const alarm = failureAlarm(scope, "RotationFailed", handler, `The password of ${roleName} was not changed`);
  const { alarmTopic } = migrations.props;
  if (alarmTopic !== undefined) alarm.addAlarmAction(new SnsAction(alarmTopic));
  return alarm;
}

/** Of this secret alone. The function makes the password itself. */
function grantRotation({ secret, encryptionKey }: RoleRotation, handler: lambda.Function): void {
  handler.addToRolePolicy(
    new iam.PolicyStatement({
      actions: [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
      ],
      resources: [secret.secretArn],
    }),
  );
  const service = `secretsmanager.${Aws.REGION}.amazonaws.com`;
  encryptionKey?.grantEncryptDecrypt(new kms.ViaServicePrincipal(service, handler.grantPrincipal));
}

function logicalIdOf(resource: CustomResource): string {
  const { defaultChild } = resource.node;
  if (!CfnElement.isCfnElement(defaultChild)) throw new TypeError("the resource of a role has no element");
  return Stack.of(resource).getLogicalId(defaultChild);
}

/** A schedule has one unit. */
function inWholeUnits(duration: Duration): Duration {
  const hours = duration.toHours();
  return hours % 24 === 0 ? Duration.days(hours / 24) : Duration.hours(hours);
}
