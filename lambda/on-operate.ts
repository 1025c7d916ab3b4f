import type { Migrator } from "../lib/migrator/index.ts";
import { ENV, type OperateRequest } from "./contract.ts";
import { answerOperator, type OperatorAnswer } from "./operate/answer.ts";
import { parseOperateRequest } from "./operate/requests.ts";
import type { LambdaContext } from "./runtime/invocation.ts";
import { readSettings } from "./runtime/settings.ts";

/** Does what an operator says (`OperateRequest`), once the database's name is confirmed. */
export function handler(payload: unknown, context: LambdaContext): Promise<OperatorAnswer> {
  return answerOperator(context, process.env, () => {
    const { database } = readSettings(process.env);
    const request = parseOperateRequest(payload, {
      database,
      allowDown: process.env[ENV.allowDown] === "true",
    });
    return { action: request.action, perform: (migrator) => operate(migrator, request) };
  });
}

function operate(migrator: Migrator, request: OperateRequest): Promise<object> {
  switch (request.action) {
    case "up": {
      const { action: _, confirm: __, ...extent } = request;
      return migrator.up(extent);
    }
    case "down": {
      const { action: _, confirm: __, ...options } = request;
      return migrator.down(options);
    }
    case "redo":
      return migrator.redo(request.count === undefined ? {} : { count: request.count });
    case "repair":
      return migrator.repair(request.migrations, request.note);
    case "resolve":
      return migrator.resolve(request.migration, request.outcome, request.note);
    case "baseline":
      return migrator.baseline(request.to, request.note);
  }
}
