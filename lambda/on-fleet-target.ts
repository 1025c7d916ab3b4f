import { type FleetFailure, toFleetFailure } from "./fleet/failure.ts";
import { listTargets } from "./fleet-target/list.ts";
import { answerTarget, type TargetAnswer } from "./fleet-target/target.ts";
import { beginInvocation, type LambdaContext } from "./runtime/invocation.ts";

/** Reads one target of a fleet, in a read-only session: `status` and `plan`. */
export function status(payload: unknown, context: LambdaContext): Promise<TargetAnswer> {
  return answerTarget(payload, context, process.env, "read");
}

/** Changes one target of a fleet: `up` and `down`. */
export function operate(payload: unknown, context: LambdaContext): Promise<TargetAnswer> {
  return answerTarget(payload, context, process.env, "write");
}

/**
 * Runs the fleet's query, in a read-only session.
 * @throws FleetFailure
 */
export async function list(
  _: unknown,
  context: LambdaContext,
): Promise<{ readonly rows: readonly unknown[] }> {
  const invocation = beginInvocation(context);
  try {
    return { rows: await listTargets(invocation, process.env) };
  } catch (error) {
    const failure: FleetFailure = toFleetFailure(error, invocation);
    throw failure;
  }
}
