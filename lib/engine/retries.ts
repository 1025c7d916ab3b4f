import { setTimeout as sleep } from "node:timers/promises";
import { MigrationError } from "../core/index.ts";
import type { RunContext } from "./run-context.ts";

const LONGEST_DELAY_MS = 30_000;

/** Counts the tries of one run after lock timeouts. Progress gives the full number of tries back. */
export class Retries {
  readonly #run: RunContext;
  #attempt = 1;
  #migration: string | undefined;

  constructor(run: RunContext) {
    this.#run = run;
  }

  /** Waits before the next try. @throws the error itself when it is not about a lock, or tries are used up */
  async wait(error: unknown, failed: { readonly name: string }): Promise<void> {
    const { lockRetries, lockRetryDelayMs } = this.#run.options;
    if (!(error instanceof MigrationError) || error.code !== "LOCK_TIMEOUT") throw error;
    // Outside a transaction the statement was tried again already, and the migration is half-done.
    if (error.details.partial !== undefined) throw error;
    if (this.#migration !== failed.name) this.#attempt = 1;
    this.#migration = failed.name;
    if (this.#attempt > lockRetries) throw error;
    const doubled = Math.min(LONGEST_DELAY_MS, lockRetryDelayMs * 2 ** (this.#attempt - 1));
    // Jitter, so that two runs that stand in each other's way do not meet again.
    const waitMs = Math.round(doubled * (0.5 + Math.random()));
    this.#attempt += 1;
    const { observe, signal } = this.#run;
    observe({
      type: "retry",
      migration: failed.name,
      attempt: this.#attempt,
      attempts: lockRetries + 1,
      waitMs,
      reason: withoutBlockers(error),
    });
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
}

/** Who blocks was told when it was seen. */
function withoutBlockers({ message, details: { blockers = [] } }: MigrationError): string {
  return message.replace(`; blocked by ${blockers.join("; ")}`, "");
}
