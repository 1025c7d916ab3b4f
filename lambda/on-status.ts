import { answerOperator, type OperatorAnswer, parseStatusRequest } from "./operate/answer.ts";
import type { LambdaContext } from "./runtime/invocation.ts";

/** Runs a command that reads, in sessions in which the server refuses to write. */
export function handler(payload: unknown, context: LambdaContext): Promise<OperatorAnswer> {
  return answerOperator(context, process.env, () => parseStatusRequest(payload));
}
