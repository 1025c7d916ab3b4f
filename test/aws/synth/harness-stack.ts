import { CustomResource, Duration, Stack } from "aws-cdk-lib";
import { Code, Function as LambdaFunction, LoggingFormat, Runtime } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { App } from "aws-cdk-lib/core";
import { Provider } from "aws-cdk-lib/custom-resources";
import * as v from "valibot";

/** A stack for tests of the harness itself: one function behind the provider framework. */
export const HarnessStackRequest = v.object({
  kind: v.literal("harness"),
  /** Folder with index.mjs. */
  handlers: v.string(),
  providerId: v.optional(v.string(), "Provider"),
  properties: v.record(v.string(), v.unknown()),
});

export function addHarnessStack(
  app: App,
  name: string,
  request: v.InferOutput<typeof HarnessStackRequest>,
): void {
  const stack = new Stack(app, name);
  const handler = new LambdaFunction(stack, "Handler", {
    code: Code.fromAsset(request.handlers),
    handler: "index.handler",
    runtime: Runtime.NODEJS_24_X,
    timeout: Duration.seconds(2),
    loggingFormat: LoggingFormat.JSON,
    logGroup: new LogGroup(stack, "Log"),
  });
  const { serviceToken } = new Provider(stack, request.providerId, { onEventHandler: handler });
  new CustomResource(stack, "Resource", {
    serviceToken,
    properties: { ...request.properties, Account: stack.account, Handler: `at ${handler.functionArn}` },
  });
}
