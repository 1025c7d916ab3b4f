import { type Migrator, maskedPlan } from "../lib/migrator/index.ts";
import type { StatusRequest } from "./contract.ts";
import { answerOperator, type OperatorAnswer } from "./operate/answer.ts";
import { parseStatusRequest } from "./operate/requests.ts";
import type { LambdaContext } from "./runtime/invocation.ts";

/** Answers an operator's questions (`StatusRequest`), in sessions in which the server refuses to write. */
export function handler(payload: unknown, context: LambdaContext): Promise<OperatorAnswer> {
  return answerOperator(context, process.env, () => {
    const request = parseStatusRequest(payload);
    return { action: request.action, perform: (migrator) => look(migrator, request) };
  });
}

async function look(migrator: Migrator, request: StatusRequest): Promise<object> {
  switch (request.action) {
    case "status":
      return migrator.status();
    case "history": {
      const { action: _, ...filter } = request;
      return migrator.history(filter);
    }
    case "plan": {
      const { action: _, direction = "up", ...extent } = request;
      const plan = direction === "down" ? migrator.planDown(extent) : migrator.planUp(extent);
      return maskedPlan(await plan);
    }
  }
}
