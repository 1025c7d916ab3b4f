import { CustomResource, Duration } from "aws-cdk-lib";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import { Provider } from "aws-cdk-lib/custom-resources";
import type { Construct } from "constructs";
import { LIMITS } from "../../lambda/contract.ts";
import { type LogSettings, migrationLogs } from "./functions.ts";

/** A custom resource that may take nearly an hour, and the functions that answer for it. */
export interface DeployResource {
  /** Begins what a deploy does. */
  readonly onEvent: lambda.IFunction;
  /** Is called until it answers that everything is done. */
  readonly isComplete: lambda.IFunction;
  readonly resourceType: string;
  readonly properties: object;
}

/**
 * CDK's provider framework runs outside the VPC, so that CloudFormation gets an answer even if the function cannot give
 * one. Keep its construct path: CloudFormation refuses to change the service token of an existing resource.
 */
export function deployResource(
  scope: Construct,
  props: LogSettings,
  { onEvent, isComplete, resourceType, properties }: DeployResource,
): { readonly resource: CustomResource; readonly serviceToken: string } {
  const { serviceToken } = new Provider(scope, "Provider", {
    onEventHandler: onEvent,
    isCompleteHandler: isComplete,
    queryInterval: Duration.seconds(LIMITS.completionInterval),
    totalTimeout: Duration.seconds(LIMITS.serviceTimeout),
    // Older versions of CDK log it by default, for which the role may change every log delivery.
    disableWaiterStateMachineLogging: true,
    logGroup: migrationLogs(scope, "ProviderLogs", props),
  });
  const serviceTimeout = Duration.seconds(LIMITS.serviceTimeout);
  const resource = new CustomResource(scope, "Resource", {
    serviceToken,
    resourceType,
    serviceTimeout,
    properties,
  });
  return { resource, serviceToken };
}
