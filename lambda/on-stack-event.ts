import * as v from "valibot";
import { ENV, NOT_ASKED, ROLE_RESOURCE } from "./contract.ts";
import { cut, physicalIdOf, resourceName } from "./runtime/custom-resource.ts";
import { beginInvocation, createLog, type Invocation, type LambdaContext } from "./runtime/invocation.ts";
import {
  type DeployFunctionResult,
  deployFunction,
  InvokedFunctionError,
  invokeDeployFunction,
  toDeployFailure,
} from "./stack-event/deploy-function.ts";
import {
  advanceSnapshot,
  readSnapshotSettings,
  SnapshotError,
  type SnapshotReason,
  snapshotIdentifier,
  snapshotTimeout,
} from "./stack-event/snapshot.ts";
import { askStackStatus, type StackDirection } from "./stack-event/stack-status.ts";

/** The part of CloudFormation's request that is used here. The deploy function gets all of it. */
const StackEvent = v.looseObject({
  RequestType: v.picklist(["Create", "Update", "Delete"]),
  StackId: v.string(),
  LogicalResourceId: v.string(),
  PhysicalResourceId: v.optional(v.string()),
  ResourceType: v.optional(v.string()),
});
type StackEvent = v.InferOutput<typeof StackEvent>;

const MESSAGE_BYTES = 1_000;

/**
 * Stands between CloudFormation and the deploy function, outside the VPC, where it can ask CloudFormation whether the
 * stack rolls back. A rollback never fails here, even if the deploy function does: a stack that cannot roll back is
 * worse than a database that is ahead of it.
 */
export async function handler(event: unknown, context: LambdaContext): Promise<object> {
  const invocation = beginInvocation(context);
  // The address for the answer is a secret, and only CDK's framework needs it.
  const { ResponseURL: _, ...request } = v.parse(StackEvent, event);
  invocation.log.info(`${request.RequestType} of ${request.LogicalResourceId}`);
  if (request.RequestType === "Delete") return unchanged(request);
  const direction = await directionOf(request, invocation);
  const isRole = request.ResourceType === ROLE_RESOURCE;
  // The rights of a role go back with the stack: nothing is lost by that.
  if (direction === "rollback" && !isRole && process.env[ENV.onRollback] !== "down") {
    invocation.log.info("a rollback leaves the database as it is: onRollback is keep");
    return unchanged(request);
  }
  try {
    // A rollback waits for no snapshot: it must not depend on one.
    const awaits = hasSnapshots() && !isRole && direction !== "rollback" ? { AwaitSnapshot: true } : {};
    const result = await invokeDeployFunction({ ...request, StackDirection: direction, ...awaits });
    if (result.AwaitsSnapshot) return { ...result, StackDirection: direction, AwaitsSince: Date.now() };
    return withSnapshot(result, "none");
  } catch (error) {
    if (direction !== "rollback") throw toDeployFailure(error, invocation);
    return leaveUnchanged(request, error, invocation);
  }
}

/** The event as CDK's framework repeats it until it is complete: with all that `handler` has answered. */
const CompletionEvent = v.looseObject({
  ...StackEvent.entries,
  RequestId: v.string(),
  // Never a reason to fail: a rollback and a deletion come here, too.
  ResourceProperties: v.fallback(
    v.object({ MigrationsHash: v.fallback(v.string(), ""), Head: v.fallback(v.string(), "") }),
    { MigrationsHash: "", Head: "" },
  ),
  AwaitsSnapshot: v.optional(v.literal(true)),
  /** Milliseconds since the epoch. */
  AwaitsSince: v.optional(v.number(), 0),
});

/**
 * Asked every few seconds after `handler`, if the construct makes snapshots. Without pending migrations the deploy is
 * complete. Else this makes the snapshot, waits for it, and invokes the deploy function.
 */
export async function isComplete(event: unknown, context: LambdaContext): Promise<object> {
  const invocation = beginInvocation(context);
  const { ResponseURL: _, AwaitsSnapshot: isAwaited, ...request } = v.parse(CompletionEvent, event);
  if (isAwaited === undefined) return { IsComplete: true };
  const snapshot = await makeSnapshot(request, invocation).catch((error: unknown) => {
    throw toSnapshotFailure(error, invocation);
  });
  if (snapshot === undefined) return { IsComplete: false };
  invocation.log.info(`the snapshot ${snapshot} is available`);
  try {
    const { Data } = withSnapshot(await invokeDeployFunction(request), snapshot);
    return { IsComplete: true, Data };
  } catch (error) {
    const { name, message } = toDeployFailure(error, invocation);
    throw new InvokedFunctionError(name, `${message}\nThe snapshot made before is ${snapshot}.`);
  }
}

/**
 * Returns the identifier when the snapshot is available.
 * @throws SnapshotError if it never will be, or if the stack does not wait for it any more
 */
async function makeSnapshot(
  request: v.InferOutput<typeof CompletionEvent>,
  { log }: Invocation,
): Promise<string | undefined> {
  const { StackId, LogicalResourceId, RequestId: requestId, ResourceProperties, AwaitsSince } = request;
  const { status, direction } = await askStackStatus(StackId);
  if (status !== undefined && direction !== "forward") {
    const message = `the deploy no longer waits for the snapshot: the stack is in ${status}`;
    throw new SnapshotError("CANCELLED", message);
  }
  const settings = readSnapshotSettings(process.env);
  const reason: SnapshotReason = {
    requestId,
    resource: resourceName(StackId, LogicalResourceId),
    release: ResourceProperties.MigrationsHash,
    head: ResourceProperties.Head,
  };
  const id = snapshotIdentifier(settings, reason);
  const progress = await advanceSnapshot(settings, id, reason);
  if (progress.isAvailable) return id;
  log.info(`waiting for the snapshot ${id}`, { reason: progress.why });
  if (Date.now() - AwaitsSince > settings.timeoutMs) throw snapshotTimeout(settings, id, progress.why);
  return undefined;
}

/** Nothing has run by then. */
function toSnapshotFailure(error: unknown, invocation: Invocation): Error {
  const [code, message, hint] =
    error instanceof SnapshotError
      ? [error.code, error.message, error.hint]
      : ["INTERNAL", String(error), undefined];
  invocation.log.error("the deploy failed", { code, reason: message });
  countFailure(invocation);
  const lines = [
    `${code}: ${cut(message, MESSAGE_BYTES)}`,
    ...(hint === undefined ? [] : [`What to do: ${hint}`]),
    `No migration was run.\nLog group ${invocation.logGroup}, request ${invocation.requestId}.`,
  ];
  return new InvokedFunctionError(code, lines.join("\n"));
}

function hasSnapshots(): boolean {
  return process.env[ENV.snapshotOf] !== undefined;
}

/** Only a construct that makes snapshots has the attribute. */
function withSnapshot<R extends Pick<DeployFunctionResult, "Data">>(result: R, snapshot: string): R {
  return hasSnapshots() ? { ...result, Data: { ...result.Data, Snapshot: snapshot } } : result;
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

function unchanged(request: StackEvent): DeployFunctionResult {
  const { StackId, LogicalResourceId, PhysicalResourceId } = request;
  const id = PhysicalResourceId ?? physicalIdOf(resourceName(StackId, LogicalResourceId));
  return withSnapshot({ PhysicalResourceId: id, Data: { ...NOT_ASKED } }, "none");
}

function leaveUnchanged(request: StackEvent, error: unknown, invocation: Invocation): DeployFunctionResult {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  invocation.log.error("the database was left as it is", { code: name, reason: message });
  countFailure(invocation);
  return unchanged(request);
}

/** For the deploy function, which could not write its metrics. */
function countFailure(invocation: Invocation): void {
  const log = createLog({ ...invocation, functionName: deployFunction() }, invocation.redactor);
  log.metrics({ failed: true, completed: 0, durationMs: 0, lockRetries: 0, background: 0 });
}
