import { ENV } from "./contract.ts";
import { answerOperator, type OperatorAnswer, parseOperateRequest } from "./operate/answer.ts";
import type { LambdaContext } from "./runtime/invocation.ts";
import { readSettings } from "./runtime/settings.ts";

/** Runs a command that changes the database, once the payload confirms the database's name. */
export function handler(payload: unknown, context: LambdaContext): Promise<OperatorAnswer> {
  return answerOperator(context, process.env, () => {
    const { database } = readSettings(process.env);
    const allowDown = process.env[ENV.allowDown] === "true";
    return parseOperateRequest(payload, { database, allowDown });
  });
}
