import * as v from "valibot";
import { ERROR_CODES, ERRORS, Hint, MigrationError } from "../../lib/core/index.ts";
import { errorAsJson, resultAsJson } from "../../lib/engine/index.ts";
import { findingsOnAws } from "../runtime/advice.ts";
import { openAsset } from "../runtime/asset.ts";
import { withEngine } from "../runtime/engine.ts";
import { describeError } from "../runtime/failure-log.ts";
import { beginInvocation, type Invocation, type LambdaContext } from "../runtime/invocation.ts";
import { type Environment, readRoot, readSettings } from "../runtime/settings.ts";
import { withinBound } from "./bound.ts";
import type { Request } from "./requests.ts";

/** What an operator gets: the same JSON as the CLI's `--json` prints, failures included. */
export type OperatorAnswer = Readonly<Record<string, unknown>>;

const Findings = v.array(
  v.looseObject({ code: v.picklist(ERROR_CODES), hint: v.union([v.string(), v.instance(Hint)]) }),
);

/**
 * Runs a command for an operator. A failure is answered, not thrown: the answer holds all there is to know, and Lambda
 * would try an asynchronous call again.
 */
export async function answerOperator(
  context: LambdaContext,
  env: Environment,
  parseRequest: () => Request,
): Promise<OperatorAnswer> {
  const invocation = beginInvocation(context);
  const startedAt = performance.now();
  const measure = (failed: boolean, completed: number) =>
    invocation.log.metrics({ failed, completed, durationMs: performance.now() - startedAt });
  try {
    const request = parseRequest();
    invocation.log.info(`${request.command} was asked for`);
    const report = await runRequest(request, invocation, env);
    measure(false, completedIn(report));
    return answer(resultAsJson(request.command, advised(report)), invocation);
  } catch (error) {
    invocation.log.error("the command failed", describeError(error));
    if (!(error instanceof MigrationError)) {
      measure(true, 0);
      return answer({ ok: false, error: { code: "INTERNAL", message: String(error) } }, invocation);
    }
    // A payload that cannot be is nothing to wake anybody up for.
    const { applied = [], undone = [] } = error.details;
    measure(ERRORS[error.code].fault !== "request", applied.length + undone.length);
    return answer(errorAsJson(error), invocation);
  }
}

function runRequest({ run }: Request, invocation: Invocation, env: Environment): Promise<object> {
  const source = openAsset(readRoot(env));
  // Who invoked is in CloudTrail, under this request.
  const actor = `${invocation.functionName}, request ${invocation.requestId}`;
  return withEngine(invocation, { settings: readSettings(env), source, origin: "command", actor }, run);
}

/** The report, with advice in what it refuses or warns of that fits who asked. */
function advised(report: object): object {
  const lists = ["refusals", "warnings"].flatMap((key) => {
    const { success, output } = v.safeParse(Findings, Reflect.get(report, key));
    return success ? [[key, findingsOnAws(output)] as const] : [];
  });
  return { ...report, ...Object.fromEntries(lists) };
}

function completedIn(report: object): number {
  const completed: unknown = Reflect.get(report, "completed");
  return Array.isArray(completed) ? completed.length : 0;
}

function answer(result: object, { redactor }: Invocation): OperatorAnswer {
  const redacted = Object.entries(result).map(([key, value]) => [key, redactor.redactAll(value)]);
  return withinBound(Object.fromEntries(redacted));
}
