import type { Failure } from "../../lib/postgres/failure.ts";

/** What a server says of a statement that it refuses. */
export function failure(more: Partial<Failure>): Failure {
  return { message: "refused", fromServer: true, ...more };
}
