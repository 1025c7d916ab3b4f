import { errorAsJson, MigrationError } from "../../lib/core/index.ts";
import { cut } from "../runtime/custom-resource.ts";
import type { Invocation } from "../runtime/invocation.ts";

/** CloudFormation and Step Functions show no more of a message. */
const MESSAGE_BYTES = 1_000;
const HINT_BYTES = 300;

/** A failure as Lambda reports it: the code is its name, by which a state machine branches. */
export class FleetFailure extends Error {
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    // CDK's framework sends the stack to CloudFormation, whose limit on an answer the message may nearly fill.
    this.stack = code;
  }
}

/** Logs an error with all that is known of it, and makes of it what leaves the function. */
export function toFleetFailure(error: unknown, invocation: Invocation): FleetFailure {
  const { redactor, log, logGroup, requestId } = invocation;
  if (error instanceof FleetFailure) {
    log.error("another function failed", { code: error.name, reason: error.message });
    return error;
  }
  const tail = `\nLog group ${logGroup}, request ${requestId}.`;
  if (!(error instanceof MigrationError)) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error("the function failed", { code: "INTERNAL", reason });
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return new FleetFailure("INTERNAL", cut(redactor.redact(message), MESSAGE_BYTES) + tail);
  }
  const { message: reason, ...rest } = errorAsJson(error).error;
  log.error("the function failed", { reason, ...rest });
  const { hint } = error.details;
  const lines = [
    `${error.code}: ${cut(redactor.redact(error.message), MESSAGE_BYTES)}`,
    ...(hint === undefined ? [] : [`What to do: ${cut(redactor.redact(String(hint)), HINT_BYTES)}`]),
  ];
  return new FleetFailure(error.code, lines.join("\n") + tail);
}
