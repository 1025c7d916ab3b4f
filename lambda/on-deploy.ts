import type { DeployData } from "./contract.ts";
import { type Answer, deploy } from "./deploy/deploy.ts";
import { parseDeployEvent } from "./deploy/event.ts";
import { toDeployFailure } from "./deploy/failure.ts";
import { describeError } from "./runtime/failure-log.ts";
import { beginInvocation, type LambdaContext } from "./runtime/invocation.ts";

export interface DeployResult {
  readonly PhysicalResourceId: string;
  readonly Data: DeployData;
}

/**
 * Answers CloudFormation's requests, through CDK's provider framework. A failure is thrown: an answer that says
 * `Status: FAILED` would deploy green.
 */
export async function handler(event: unknown, context: LambdaContext): Promise<DeployResult> {
  const invocation = beginInvocation(context);
  const { log } = invocation;
  const startedAt = performance.now();
  const measure = (failed: boolean, completed: number) =>
    log.metrics({ failed, completed, durationMs: performance.now() - startedAt });
  try {
    const request = parseDeployEvent(event);
    log.info(`${request.type} of ${request.resource}`);
    const answer: Answer = await deploy(request, invocation, process.env);
    measure(answer.failed, answer.completed);
    // Constant: another one would mean a replacement, and a Delete of the old.
    return { PhysicalResourceId: request.physicalId ?? `migrations:${request.resource}`, Data: answer.data };
  } catch (error) {
    const failure = toDeployFailure(error, invocation);
    log.error("the deploy failed", describeError(error));
    measure(true, 0);
    throw failure;
  }
}
