import { setTimeout as sleep } from "node:timers/promises";
import { InvokeCommand, type InvokeCommandOutput, LambdaClient } from "@aws-sdk/client-lambda";
import * as v from "valibot";
import { type DeployResult, ENV, NOT_ASKED } from "./contract.ts";
import { cut, physicalIdOf, resourceName } from "./runtime/custom-resource.ts";
import { beginInvocation, createLog, type Invocation, type LambdaContext } from "./runtime/invocation.ts";
import { askStackStatus, type StackDirection } from "./stack-event/stack-status.ts";

/** The part of CloudFormation's request that is used here. The deploy function gets all of it. */
const StackEvent = v.looseObject({
  RequestType: v.picklist(["Create", "Update", "Delete"]),
  StackId: v.string(),
  LogicalResourceId: v.string(),
  PhysicalResourceId: v.optional(v.string()),
});
type StackEvent = v.InferOutput<typeof StackEvent>;

const MESSAGE_BYTES = 1_000;

/**
 * Stands between CloudFormation and the deploy function, outside the VPC, where it can ask CloudFormation whether the
 * stack rolls back. A rollback never fails here, even if the deploy function does: a stack that cannot roll back is
 * worse than a database that is ahead of it.
 */
export async function handler(event: unknown, context: LambdaContext): Promise<unknown> {
  const invocation = beginInvocation(context);
  // The address for the answer is a secret, and only CDK's framework needs it.
  const { ResponseURL: _, ...request } = v.parse(StackEvent, event);
  invocation.log.info(`${request.RequestType} of ${request.LogicalResourceId}`);
  if (request.RequestType === "Delete") return unchanged(request);
  const direction = await directionOf(request, invocation);
  if (direction === "rollback" && process.env[ENV.onRollback] !== "down") {
    invocation.log.info("a rollback leaves the database as it is: onRollback is keep");
    return unchanged(request);
  }
  try {
    return await invokeFunction(deployFunction(), { ...request, StackDirection: direction });
  } catch (error) {
    if (direction !== "rollback") throw toDeployFailure(error, invocation);
    return leaveUnchanged(request, error, invocation);
  }
}

/** Only an Update may be a rollback. */
async function directionOf(
  { RequestType, StackId }: StackEvent,
  { log }: Invocation,
): Promise<StackDirection> {
  if (RequestType !== "Update") return "forward";
  const answer = await askStackStatus(StackId);
  if (answer.status !== undefined) log.info(`the stack is in ${answer.status}`);
  else {
    log.warn(
      "CloudFormation did not say whether the stack is rolling back; the event's properties must decide",
      {
        reason: answer.reason,
      },
    );
  }
  return answer.direction;
}

function unchanged({ StackId, LogicalResourceId, PhysicalResourceId }: StackEvent): DeployResult {
  return {
    PhysicalResourceId: PhysicalResourceId ?? physicalIdOf(resourceName(StackId, LogicalResourceId)),
    Data: NOT_ASKED,
  };
}

function leaveUnchanged(request: StackEvent, error: unknown, invocation: Invocation): DeployResult {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  invocation.log.error("the database was left as it is", { code: name, reason: message });
  // For the deploy function, which could not write its metrics.
  const metrics = createLog({ ...invocation, functionName: deployFunction() }, invocation.redactor);
  metrics.metrics({ failed: true, completed: 0, durationMs: 0 });
  return unchanged(request);
}

/** The deploy function names its log itself, unless it was stopped. */
function toDeployFailure(error: unknown, { logGroup, requestId }: Invocation): Error {
  if (error instanceof InvokedFunctionError && !error.isCrash && error.message.includes(logGroup))
    return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const what = error instanceof InvokedFunctionError ? "was stopped" : "cannot be invoked";
  const text = `the deploy function ${what}: ${name}: ${cut(message, MESSAGE_BYTES)}`;
  return new InvokedFunctionError("INTERNAL", `${text}\nLog group ${logGroup}, request ${requestId}.`);
}

function deployFunction(): string {
  return process.env[ENV.deployFunction] ?? "";
}

/**
 * No limit on the answer: a run takes as long as the function may. An attempt whose connection breaks is repeated, and
 * the second run waits for the first one's lock.
 */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 3_000, requestTimeout: 0 } } as const;

/** Lambda takes the network interfaces away from a function that was idle for weeks, and then needs up to a minute. */
const NOT_ACTIVE = new Set(["ResourceConflictException", "ResourceNotReadyException"]);
const ACTIVE_WAIT = { attempts: 12, ms: 5_000 } as const;

/** What Lambda reports of a function that threw or was stopped. */
const Failure = v.object({
  errorType: v.optional(v.string(), "Error"),
  errorMessage: v.optional(v.string(), "the function failed without a message"),
});

/** A failure of the invoked function, with its own name and message. */
class InvokedFunctionError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
    // CDK's framework sends the stack to CloudFormation, whose limit on an answer the message may nearly fill.
    this.stack = name;
  }

  /** Lambda stopped the process, which therefore wrote no metrics. */
  get isCrash(): boolean {
    return /^(?:Runtime|Sandbox|Extension)\./.test(this.name);
  }
}

/**
 * Invokes a function and waits for its answer.
 * @throws InvokedFunctionError when it failed; the SDK's error when it could not be invoked
 */
async function invokeFunction(name: string, event: object): Promise<unknown> {
  const client = new LambdaClient(CLIENT);
  try {
    const answer = await invokeWhenActive(client, name, event);
    const text = new TextDecoder().decode(answer.Payload);
    if (answer.FunctionError === undefined) return JSON.parse(text);
    const { errorType, errorMessage } = v.parse(v.pipe(v.string(), v.parseJson(), Failure), text);
    throw new InvokedFunctionError(errorType, errorMessage);
  } finally {
    client.destroy();
  }
}

async function invokeWhenActive(
  client: LambdaClient,
  name: string,
  event: object,
): Promise<InvokeCommandOutput> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await client.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }));
    } catch (error) {
      const isNotActive = error instanceof Error && NOT_ACTIVE.has(error.name);
      if (!isNotActive || attempt === ACTIVE_WAIT.attempts) throw error;
      await sleep(ACTIVE_WAIT.ms);
    }
  }
}
