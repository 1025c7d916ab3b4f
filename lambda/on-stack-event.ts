import * as v from "valibot";
import { type DeployTimes, ENV, LIMITS, NOT_ASKED, ROLE_RESOURCE } from "./contract.ts";
import { cut, physicalIdOf, resourceName } from "./runtime/custom-resource.ts";
import { beginInvocation, createLog, type Invocation, type LambdaContext } from "./runtime/invocation.ts";
import {
  type DeployFunctionResult,
  DeployStoppedError,
  deployFunction,
  InvokedFunctionError,
  invokeDeployFunction,
  toDeployFailure,
} from "./stack-event/deploy-function.ts";
import {
  advanceSnapshot,
  readSnapshotSettings,
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
  const times = timesOf();
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
    const slice = { ...times, IsLater: false, StackDirection: direction, ...awaits };
    const result = await invokeDeployFunction({ ...request, ...slice });
    const isComplete = !(result.AwaitsSnapshot || result.Unfinished);
    return {
      ...withSnapshot(result, "none"),
      ...(isComplete ? {} : { ...times, StackDirection: direction }),
    };
  } catch (error) {
    if (direction !== "rollback") throw toDeployFailure(error, invocation);
    return leaveUnchanged(request, error, invocation);
  }
}

/** The time of a whole deploy; an event that is delivered twice has it twice. */
function timesOf(): Pick<DeployTimes, "Since" | "Until"> {
  const Since = Date.now();
  const seconds = Number(process.env[ENV.deployTimeout] ?? LIMITS.deployTimeout);
  return { Since, Until: Since + seconds * 1_000 };
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
  Unfinished: v.optional(v.literal(true)),
  StackDirection: v.fallback(v.picklist(["forward", "rollback", "unknown"]), "unknown"),
  Since: v.optional(v.number(), 0),
});
type CompletionEvent = v.InferOutput<typeof CompletionEvent>;

/**
 * Asked again and again after `handler`. Most deploys are complete by then. Else this makes the snapshot and waits for it
 * if there is to be one, and then runs a slice of the deploy each time. Nothing is carried from one call to the next: what
 * is there already, the snapshot and the database tell.
 */
export async function isComplete(event: unknown, context: LambdaContext): Promise<object> {
  const invocation = beginInvocation(context);
  const {
    ResponseURL: _,
    AwaitsSnapshot: isAwaited,
    Unfinished,
    ...request
  } = v.parse(CompletionEvent, event);
  if (isAwaited === undefined && Unfinished === undefined) return { IsComplete: true };
  if ((await whetherToGoOn(request, invocation)) === "stop") return { IsComplete: true };
  if (isAwaited === undefined) return runSlice(request, invocation, "none");
  const snapshot = await makeSnapshot(request, invocation).catch((error: unknown) => {
    throw toOwnFailure(error, invocation, "No migration was run.");
  });
  return snapshot === undefined ? { IsComplete: false } : runSlice(request, invocation, snapshot);
}

async function runSlice(request: CompletionEvent, invocation: Invocation, snapshot: string): Promise<object> {
  try {
    const result = await invokeDeployFunction({ ...request, IsLater: true });
    if (result.Unfinished) return { IsComplete: false };
    return { IsComplete: true, Data: withSnapshot(result, snapshot).Data };
  } catch (error) {
    if (request.StackDirection === "rollback") {
      return { IsComplete: true, Data: leaveUnchanged(request, error, invocation).Data };
    }
    const { name, message } = toDeployFailure(error, invocation);
    const isAnswer = error instanceof InvokedFunctionError && !error.isCrash;
    const lines = [
      message,
      ...(isAnswer ? [] : [keptBefore()]),
      ...(snapshot === "none" ? [] : [`The snapshot made before is ${snapshot}.`]),
    ];
    throw new InvokedFunctionError(name, lines.join("\n"));
  }
}

/**
 * A deploy whose stack rolls back must not go on: the rollback may have undone what it has applied.
 * @returns "stop" for a rollback that is over, and for an event of which it is not known what it was
 * @throws InvokedFunctionError for a deploy
 */
async function whetherToGoOn(request: CompletionEvent, invocation: Invocation): Promise<"go on" | "stop"> {
  const { StackId, StackDirection: before } = request;
  const now = await askStackStatus(StackId);
  const expected = before === "unknown" ? "forward" : before;
  if (now.status === undefined || now.direction === expected) return "go on";
  const error = new DeployStoppedError(
    "CANCELLED",
    `the deploy goes no further: the stack is in ${now.status}`,
  );
  if (before === "forward") throw toOwnFailure(error, invocation, keptBefore());
  leaveUnchanged(request, error, invocation);
  return "stop";
}

/** What becomes of the migrations of earlier slices, which only the database knows. */
function keptBefore(): string {
  return process.env[ENV.onRollback] === "down"
    ? "The rollback undoes what the deploy has applied before, where it can."
    : "What the deploy has applied before stays in the database; the status function names it.";
}

/** Returns the identifier when the snapshot is available. @throws DeployStoppedError if it never will be */
async function makeSnapshot(request: CompletionEvent, { log }: Invocation): Promise<string | undefined> {
  const { StackId, LogicalResourceId, RequestId: requestId, ResourceProperties, Since } = request;
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
  if (Date.now() - Since > settings.timeoutMs) throw snapshotTimeout(settings, id, progress.why);
  return undefined;
}

/** A failure that did not come from the deploy function. @param kept what the deploy has done before */
function toOwnFailure(error: unknown, invocation: Invocation, kept: string): Error {
  const [code, message, hint] =
    error instanceof DeployStoppedError
      ? [error.code, error.message, error.hint]
      : ["INTERNAL", String(error), undefined];
  invocation.log.error("the deploy failed", { code, reason: message });
  countFailure(invocation);
  const lines = [
    `${code}: ${cut(message, MESSAGE_BYTES)}`,
    ...(hint === undefined ? [] : [`What to do: ${hint}`]),
    `${kept}\nLog group ${invocation.logGroup}, request ${invocation.requestId}.`,
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
