import { setTimeout as sleep } from "node:timers/promises";
import { MigrationError } from "../core/index.ts";
import type { RunContext } from "./transactions.ts";

type RetryContext = Pick<RunContext, "options" | "observe" | "signal">;

const LONGEST_DELAY_MS = 30_000;

/** Counts the retries of one run after lock timeouts. The count starts again when another migration fails. */
export class Retries {
  readonly #run: RetryContext;
  #attempt = 1;
  #migration: string | undefined;

  constructor(run: RetryContext) {
    this.#run = run;
  }

  /** Waits before the next attempt. @throws the error itself if it is no lock timeout, or no retries are left */
  async wait(error: unknown, failed: { readonly name: string }): Promise<void> {
    const { lockRetries, lockRetryDelayMs } = this.#run.options;
    if (!(error instanceof MigrationError) || error.code !== "LOCK_TIMEOUT") throw error;
    // Outside a transaction the statement was already retried, and the migration is partial.
    if (error.details.partial !== undefined) throw error;
    if (this.#migration !== failed.name) this.#attempt = 1;
    this.#migration = failed.name;
    if (this.#attempt > lockRetries) throw error;
    const doubled = Math.min(LONGEST_DELAY_MS, lockRetryDelayMs * 2 ** (this.#attempt - 1));
    // Jitter, so that two runs that block each other do not retry at the same time.
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

/** The blocking sessions were reported when they were found. */
function withoutBlockers({ message, details: { blockers = [] } }: MigrationError): string {
  return message.replace(`; blocked by ${blockers.join("; ")}`, "");
}
