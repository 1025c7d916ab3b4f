import * as v from "valibot";
import { MigrationError, property } from "../lib/core/index.ts";
import { ENV, type FleetData, LIMITS } from "./contract.ts";
import { decide, explain, OTHER_CODE } from "./deploy/decide.ts";
import { parseDeployEvent } from "./deploy/event.ts";
import {
  describeExecution,
  type ExecutionState,
  type ExecutionSummary,
  startExecution,
  stopExecution,
} from "./fleet/execution.ts";
import { FleetFailure, toFleetFailure } from "./fleet/failure.ts";
import { openAsset } from "./runtime/asset.ts";
import { cut, physicalIdOf, resourceName } from "./runtime/custom-resource.ts";
import { beginInvocation, type Invocation, type LambdaContext } from "./runtime/invocation.ts";
import { readRoot } from "./runtime/settings.ts";
import { askStackStatus, type StackDirection } from "./stack-event/stack-status.ts";

/** The part of CloudFormation's request that is used here, and what `handler` has added to it. */
const FleetEvent = v.looseObject({
  RequestType: v.picklist(["Create", "Update", "Delete"]),
  RequestId: v.string(),
  StackId: v.string(),
  LogicalResourceId: v.string(),
  PhysicalResourceId: v.optional(v.string()),
  /** ARN of the execution that a deploy waits for. */
  Execution: v.optional(v.string()),
  /** When it was started, in milliseconds since the epoch. */
  Since: v.optional(v.number(), 0),
});
type FleetEvent = v.InferOutput<typeof FleetEvent>;

interface Answer {
  readonly PhysicalResourceId: string;
  readonly Data: FleetData;
  readonly Execution?: string;
  readonly Since?: number;
}

/**
 * Stands between CloudFormation and the state machine of a fleet. A deploy starts an execution. A rollback, an older
 * release and a deletion leave every target as it is, and never fail.
 */
export async function handler(event: unknown, context: LambdaContext): Promise<Answer> {
  const invocation = beginInvocation(context);
  try {
    // The address for the answer is a secret, and only CDK's framework needs it.
    const { ResponseURL: _, ...request } = v.parse(FleetEvent, event);
    invocation.log.info(`${request.RequestType} of ${request.LogicalResourceId}`);
    if (!(await isDeploy(request, invocation))) return answer(request, { Execution: "none" });
    const execution = await start(request);
    invocation.log.info("the execution was started", { execution });
    const waited = process.env[ENV.fleetWait] === "true" ? { Execution: execution, Since: Date.now() } : {};
    return { ...answer(request, { Execution: execution }), ...waited };
  } catch (error) {
    throw toFleetFailure(error, invocation);
  }
}

/** @throws MigrationError `ASSET` when this code is another one's */
async function isDeploy(request: FleetEvent, invocation: Invocation): Promise<boolean> {
  if (request.RequestType === "Delete") return false;
  const direction = await directionOf(request, invocation);
  if (direction === "rollback") {
    invocation.log.info("a rollback leaves the targets as they are");
    return false;
  }
  const decision = decide(parseDeployEvent({ ...request, StackDirection: direction }), {
    manifest: openAsset(readRoot(process.env)).manifest,
    onRollback: "keep",
    options: process.env[ENV.options] ?? "{}",
  });
  invocation.log.info(`decided: ${decision.kind}`, explain(decision));
  if (decision.kind === "refuse") {
    throw new MigrationError("ASSET", OTHER_CODE, {
      hint: "Was the function changed by hand, or by --hotswap? Deploy again, and leave it as the deploy makes it.",
    });
  }
  return decision.kind === "apply" || decision.kind === "apply-if-pending";
}

/** Only an Update may be a rollback. */
async function directionOf(
  { RequestType, StackId }: FleetEvent,
  { log }: Invocation,
): Promise<StackDirection> {
  if (RequestType !== "Update") return "forward";
  const { status, direction } = await askStackStatus(StackId);
  if (status === undefined) log.warn("CloudFormation did not say whether the stack is rolling back");
  return direction;
}

function start({ RequestId }: FleetEvent): Promise<string> {
  const { [ENV.fleetMachine]: machine = "", [ENV.fleetName]: fleet = "" } = process.env;
  return startExecution(machine, `deploy-${RequestId}`, { command: "up", confirm: fleet });
}

function answer(request: FleetEvent, data: Partial<FleetData>): Answer {
  const { StackId, LogicalResourceId, PhysicalResourceId } = request;
  const id = PhysicalResourceId ?? physicalIdOf(resourceName(StackId, LogicalResourceId));
  return { PhysicalResourceId: id, Data: { ...NOT_AWAITED, ...data } };
}

const NOT_AWAITED: FleetData = {
  Execution: "unknown",
  Done: "unknown",
  Failed: "unknown",
  Untouched: "unknown",
  Head: "unknown",
};

/**
 * Asked again and again after `handler`, until the execution is over. A deploy that is cancelled or rolls back, or whose
 * time is up, stops it: what has begun in a target ends there, and no other one begins.
 */
export async function isComplete(
  event: unknown,
  context: LambdaContext,
): Promise<{ readonly IsComplete: boolean; readonly Data?: FleetData }> {
  const invocation = beginInvocation(context);
  try {
    const { Execution: execution, ...request } = v.parse(FleetEvent, event);
    if (execution === undefined) return { IsComplete: true };
    const ended = await describeExecution(execution).catch((error: unknown) =>
      stillRunning(error, invocation),
    );
    if (ended.state === "done") return { IsComplete: true, Data: dataOf(execution, ended.summary) };
    if (ended.state === "failed") throw failure(ended.code, ended.message, execution);
    await requireWaiting(request, execution);
    return { IsComplete: false };
  } catch (error) {
    throw toFleetFailure(error, invocation);
  }
}

/** Of a service that can be asked again; it says of all else that the caller is at fault. */
const PASSING = ["ThrottlingException", "TooManyRequestsException"];

/**
 * An execution is not over because Step Functions could not be asked about it. The time of the deploy bounds this.
 * @throws the error, if another answer is not to be expected
 */
function stillRunning(error: unknown, { log }: Invocation): ExecutionState {
  const cause = error instanceof MigrationError ? error.cause : undefined;
  const isFinal =
    property(cause, "$fault") === "client" && !PASSING.includes(String(property(cause, "name")));
  if (!(error instanceof MigrationError) || isFinal) throw error;
  log.warn("Step Functions did not say how the execution stands: it is asked again", {
    reason: error.message,
  });
  return { state: "running" };
}

/** @throws FleetFailure after it has stopped the execution */
async function requireWaiting({ StackId, Since }: FleetEvent, execution: string): Promise<void> {
  const { status, direction } = await askStackStatus(StackId);
  const isCancelled = status !== undefined && direction !== "forward";
  const isLate = Date.now() - Since > LIMITS.fleetWait * 1_000;
  if (!isCancelled && !isLate) return;
  const [code, why] = isCancelled
    ? ["CANCELLED", `the deploy no longer waits for the fleet: the stack is in ${status}`]
    : ["DEADLINE", `the fleet is not done after ${LIMITS.fleetWait / 60} minutes`];
  await stopExecution(execution, why);
  throw failure(code, `${code}: ${why}; its execution was stopped, and what it has applied stays`, execution);
}

const MESSAGE_BYTES = 900;

function failure(code: string, message: string, execution: string): FleetFailure {
  const fleet = process.env[ENV.fleetName];
  const again = `What to do: Deploy again, or start an execution of the fleet with {"command": "up", "confirm": "${fleet}"}: it goes on with what each target has.`;
  const how = message.includes("What to do: ") ? [] : [again];
  return new FleetFailure(code, [cut(message, MESSAGE_BYTES), ...how, `Execution ${execution}`].join("\n"));
}

function dataOf(execution: string, { counts, versions }: ExecutionSummary): FleetData {
  const [version, ...others] = versions;
  return {
    Execution: execution,
    Done: String(counts.done),
    Failed: String(counts.failed),
    Untouched: String(counts.untouched),
    Head: others.length > 0 ? "several" : (version?.head ?? "none"),
  };
}
