import { ENV } from "./contract.ts";
import { answerOperator, type OperatorAnswer, parseOperateRequest } from "./operate/answer.ts";
import { answerSlice, isSlice, type SliceAnswer } from "./operate/slice.ts";
import type { LambdaContext } from "./runtime/invocation.ts";
import { readSettings } from "./runtime/settings.ts";

/**
 * Runs a command that changes the database, once the payload confirms the database's name; for the state machine `runner`
 * one slice of it.
 */
export function handler(payload: unknown, context: LambdaContext): Promise<OperatorAnswer | SliceAnswer> {
  const parse = (request: unknown) => {
    const { database } = readSettings(process.env);
    const allowDown = process.env[ENV.allowDown] === "true";
    return parseOperateRequest(request, { database, allowDown });
  };
  if (isSlice(payload)) return answerSlice(context, process.env, payload, parse);
  return answerOperator(context, process.env, () => parse(payload));
}
