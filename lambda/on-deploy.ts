import { given } from "../lib/core/index.ts";
import type { DeployData, DeployResult } from "./contract.ts";
import { deploy, readOnRollback } from "./deploy/deploy.ts";
import { parseDeployEvent } from "./deploy/event.ts";
import { type Outlook, outlookOf, toDeployFailure } from "./deploy/failure.ts";
import { isRoleEvent, parseRoleEvent } from "./role/event.ts";
import { ensureRole } from "./role/role.ts";
import { physicalIdOf } from "./runtime/custom-resource.ts";
import { describeError, remainingIn } from "./runtime/failure-log.ts";
import { beginInvocation, type LambdaContext, type MetricValues } from "./runtime/invocation.ts";

/**
 * Answers the requests of CloudFormation, which `on-stack-event` passes on. A failure is thrown: with an answer that says
 * `Status: FAILED`, the deploy would succeed.
 */
export async function handler(event: unknown, context: LambdaContext): Promise<DeployResult> {
  const invocation = beginInvocation(context);
  const { log } = invocation;
  const startedAt = performance.now();
  const measure = (values: Pick<MetricValues, "failed" | "completed" | "pending">) =>
    log.metrics({ ...values, ...invocation.counts, durationMs: performance.now() - startedAt });
  let outlook: Outlook = "they stay in the database";
  try {
    if (isRoleEvent(event)) {
      const role = parseRoleEvent(event);
      log.info(`the role ${role.role} of ${role.resource}`);
      await ensureRole(role, invocation, process.env);
      measure({ failed: false, completed: 0 });
      return { PhysicalResourceId: role.physicalId, Data: {} };
    }
    const request = parseDeployEvent(event);
    outlook = outlookOf(request.type, readOnRollback(process.env));
    log.info(`${request.type} of ${request.resource}`);
    const outcome = await deploy(request, invocation, process.env);
    measure({ ...outcome, pending: pendingIn(outcome.data) });
    return {
      PhysicalResourceId: request.physicalId ?? physicalIdOf(request.resource),
      Data: outcome.data,
      ...given({ AwaitsSnapshot: outcome.awaitsSnapshot }),
    };
  } catch (error) {
    const failure = toDeployFailure(error, invocation, outlook);
    log.error("the deploy failed", describeError(error));
    measure({ failed: true, completed: 0, pending: remainingIn(error) });
    throw failure;
  }
}

/** Undefined after a deploy that did not ask the database. */
function pendingIn({ PendingCount }: DeployData): number | undefined {
  const count = Number(PendingCount);
  return Number.isInteger(count) ? count : undefined;
}
