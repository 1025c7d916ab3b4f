import { MigrationError } from "../errors.ts";

/** Why an aborted signal was aborted: by a person, or because time is up (`DEADLINE`, see `withDeadline`). */
export function cancelled(signal: AbortSignal, cause?: unknown): MigrationError {
  const reason: unknown = signal.reason;
  if (reason instanceof MigrationError) return reason.with(cause === undefined ? {} : { cause });
  const why = typeof reason === "string" ? ` (${reason})` : "";
  return new MigrationError("CANCELLED", `cancelled${why}`, cause === undefined ? {} : { cause });
}

/** Runs `onAbort` once if the signal fires while a query is under way. */
export class CancelOnAbort {
  readonly #signal: AbortSignal | undefined;
  #pending: Promise<void> = Promise.resolve();
  readonly #listener: () => void;

  constructor(signal: AbortSignal | undefined, onAbort: () => Promise<void>) {
    this.#signal = signal;
    this.#listener = () => {
      this.#pending = onAbort();
    };
    signal?.addEventListener("abort", this.#listener, { once: true });
  }

  /** A cancel that was sent must have arrived before the session is used again: it would hit the next statement. */
  async settled(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#listener);
    await this.#pending;
  }
}
