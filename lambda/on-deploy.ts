import { given } from "../lib/core/index.ts";
import type { DeployData, DeployResult } from "./contract.ts";
import { deploy, readOnRollback } from "./deploy/deploy.ts";
import { type DeployEvent, parseDeployEvent } from "./deploy/event.ts";
import { outlookOf, toDeployFailure } from "./deploy/failure.ts";
import { appliedEarlier, withinDeploy } from "./deploy/slices.ts";
import { isRoleEvent, parseRoleEvent } from "./role/event.ts";
import { ensureRole } from "./role/role.ts";
import { physicalIdOf } from "./runtime/custom-resource.ts";
import { describeError, remainingIn } from "./runtime/failure-log.ts";
import {
  beginInvocation,
  type Invocation,
  type LambdaContext,
  type MetricValues,
} from "./runtime/invocation.ts";

/**
 * Answers the requests of CloudFormation, which `on-stack-event` passes on. A failure is thrown: with an answer that says
 * `Status: FAILED`, the deploy would succeed.
 */
export async function handler(event: unknown, context: LambdaContext): Promise<DeployResult> {
  const invocation = beginInvocation(context);
  const { log } = invocation;
  const startedAt = performance.now();
  const measure = (values: Pick<MetricValues, "failed" | "completed" | "pending">) =>
    log.metrics({
      ...values,
      ...invocation.counts,
      durationMs: performance.now() - startedAt,
      deployMs: request?.slice && Date.now() - request.slice.since,
    });
  let request: DeployEvent | undefined;
  try {
    if (isRoleEvent(event)) {
      const role = parseRoleEvent(event);
      log.info(`the role ${role.role} of ${role.resource}`);
      await ensureRole(role, invocation, process.env);
      measure({ failed: false, completed: 0 });
      return { PhysicalResourceId: role.physicalId, Data: {} };
    }
    request = parseDeployEvent(event);
    log.info(`${request.type} of ${request.resource}`);
    const outcome = await deploy(request, withinDeploy(invocation, request.slice), process.env);
    measure({ ...outcome, pending: outcome.remaining ?? pendingIn(outcome.data) });
    return {
      PhysicalResourceId: request.physicalId ?? physicalIdOf(request.resource),
      Data: outcome.data,
      ...given({ AwaitsSnapshot: outcome.awaitsSnapshot, Unfinished: outcome.unfinished }),
    };
  } catch (error) {
    log.error("the deploy failed", describeError(error));
    measure({ failed: true, completed: 0, pending: remainingIn(error) });
    throw await failureOf(error, request, invocation);
  }
}

/** A request that cannot be read has changed nothing. */
async function failureOf(
  error: unknown,
  request: DeployEvent | undefined,
  invocation: Invocation,
): Promise<Error> {
  if (request === undefined) return toDeployFailure(error, invocation, "they stay in the database");
  const earlier = await appliedEarlier(request, invocation, process.env);
  return toDeployFailure(error, invocation, outlookOf(request.type, readOnRollback(process.env)), earlier);
}

/** Undefined after a deploy that did not ask the database. */
function pendingIn({ PendingCount }: DeployData): number | undefined {
  const count = Number(PendingCount);
  return Number.isInteger(count) ? count : undefined;
}
