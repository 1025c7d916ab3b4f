import { MigrationError } from "../../lib/core/index.ts";
import { errorAsJson } from "../../lib/engine/index.ts";
import type { LogFields } from "./invocation.ts";

/** All that is known of a failure, for the log: what is sent elsewhere has to be short. */
export function describeError(error: unknown): LogFields {
  if (error instanceof MigrationError) {
    const { message: reason, ...rest } = errorAsJson(error).error;
    return { reason, ...rest };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: "INTERNAL", reason: stack ?? String(error) };
}
