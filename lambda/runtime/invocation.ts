import { LIMITS } from "../contract.ts";
import { createLog, type Log } from "./log.ts";
import { createRedactor, type Redactor } from "./redactor.ts";

/** What Lambda tells a handler about an invocation; the part that is used here. */
export interface LambdaContext {
  readonly awsRequestId: string;
  readonly functionName: string;
  readonly logGroupName: string;
  getRemainingTimeInMillis(): number;
}

/** One call of a function, from its event to its answer. */
export interface Invocation {
  readonly functionName: string;
  readonly requestId: string;
  readonly logGroup: string;
  /** Milliseconds since the epoch: Postgres stops by then, so that there is time left to tell about it. */
  readonly deadline: number;
  readonly redactor: Redactor;
  readonly log: Log;
}

export function beginInvocation(context: LambdaContext): Invocation {
  const { awsRequestId: requestId, functionName, logGroupName: logGroup } = context;
  const leftMs = context.getRemainingTimeInMillis();
  // A function that was given little time keeps more of it for its work.
  const deadline = Date.now() + leftMs - Math.min(LIMITS.reserve * 1000, leftMs / 4);
  const redactor = createRedactor();
  const log = createLog({ functionName, requestId }, redactor);
  return { functionName, requestId, logGroup, deadline, redactor, log };
}
