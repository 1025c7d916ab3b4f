import { checkWave } from "./fleet/check.ts";
import { toFleetFailure } from "./fleet/failure.ts";
import { type Prepared, prepare as prepareExecution } from "./fleet/prepare.ts";
import { type SummaryAnswer, summarize as summarizeExecution } from "./fleet/summarize.ts";
import { beginInvocation, type Invocation, type LambdaContext } from "./runtime/invocation.ts";
import type { Environment } from "./runtime/settings.ts";

/** The first step of an execution: which targets, in which waves. Outside the VPC, as the others here, where S3 is. */
export function prepare(payload: unknown, context: LambdaContext): Promise<Prepared> {
  return answer(prepareExecution, payload, context);
}

/** The step after each wave: whether the next one begins. */
export function check(payload: unknown, context: LambdaContext): Promise<{ readonly stop: boolean }> {
  return answer(checkWave, payload, context);
}

/** The last step: what became of every target. */
export function summarize(payload: unknown, context: LambdaContext): Promise<SummaryAnswer> {
  return answer(summarizeExecution, payload, context);
}

/** A failure is thrown with its code as name: the execution ends with it. */
async function answer<T>(
  step: (payload: unknown, invocation: Invocation, env: Environment) => Promise<T>,
  payload: unknown,
  context: LambdaContext,
): Promise<T> {
  const invocation = beginInvocation(context);
  try {
    return await step(payload, invocation, process.env);
  } catch (error) {
    throw toFleetFailure(error, invocation);
  }
}
