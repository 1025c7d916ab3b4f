import { toDeployFailure } from "./deploy/failure.ts";
import { parseRotation, rotate } from "./role/rotation.ts";
import { describeError } from "./runtime/failure-log.ts";
import { beginInvocation, type LambdaContext } from "./runtime/invocation.ts";

/** Answers Secrets Manager, which calls it four times to rotate the password of a role. */
export async function handler(event: unknown, context: LambdaContext): Promise<void> {
  const invocation = beginInvocation(context);
  const { log } = invocation;
  const startedAt = performance.now();
  const measure = (failed: boolean) =>
    log.metrics({
      ...{ failed, completed: 0, ...invocation.counts },
      durationMs: performance.now() - startedAt,
    });
  try {
    const request = parseRotation(event, process.env);
    log.info(`${request.step} of the role ${request.own.role}`, { version: request.version });
    await rotate(request, invocation, process.env);
    measure(false);
  } catch (error) {
    const failure = toDeployFailure(error, invocation, "they stay in the database");
    log.error("the rotation failed", describeError(error));
    measure(true);
    throw failure;
  }
}
