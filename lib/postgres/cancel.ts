import { MigrationError } from "../core/index.ts";

/** The error for an aborted signal: `CANCELLED`, or `DEADLINE` (see `withDeadline`). */
export function cancelled(signal: AbortSignal, cause?: unknown): MigrationError {
  const reason: unknown = signal.reason;
  if (reason instanceof MigrationError) return reason.with(cause === undefined ? {} : { cause });
  const why = typeof reason === "string" ? ` (${reason})` : "";
  return new MigrationError("CANCELLED", `cancelled${why}`, cause === undefined ? {} : { cause });
}

/** Waits for `work` until the signal fires: code of a migration may never end. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(cancelled(signal));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Milliseconds for a statement to end after it was cancelled: a dead connection gives no answer. */
const GRACE_MS = 3_000;

export interface CancelHooks {
  /** Asks the server to cancel the statement. @param givenUp aborts the attempt */
  readonly cancel: (givenUp: AbortSignal) => Promise<void>;
  /** Ends the connection if the statement was not cancelled in time. */
  readonly cut: () => void;
}

/** Cancels a running query when the signal fires. */
export class CancelOnAbort {
  readonly #signal: AbortSignal | undefined;
  readonly #listener: () => void;
  readonly #givenUp = new AbortController();
  #pending: Promise<void> = Promise.resolve();
  #grace: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal | undefined, { cancel, cut }: CancelHooks) {
    this.#signal = signal;
    this.#listener = () => {
      this.#pending = cancel(this.#givenUp.signal);
      this.#grace = setTimeout(() => {
        this.#givenUp.abort();
        cut();
      }, GRACE_MS);
    };
    signal?.addEventListener("abort", this.#listener, { once: true });
  }

  /** Waits until a cancel request has arrived: it would otherwise cancel the next statement of the session. */
  async settled(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#listener);
    clearTimeout(this.#grace);
    await this.#pending;
  }
}

export interface Deadline {
  /** Aborted by the user's signal, or when time is up. */
  readonly signal: AbortSignal | undefined;
  /** Stops the timer. */
  clear(): void;
}

/** The longest delay of a timer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Joins the signal and the deadline in one signal. @param at milliseconds since the epoch; undefined: no deadline */
export function withDeadline(signal: AbortSignal | undefined, at: number | undefined): Deadline {
  if (at === undefined) return { signal, clear: () => {} };
  const timeUp = new AbortController();
  const timer = setTimeout(
    () => timeUp.abort(timeIsUp()),
    Math.min(Math.max(0, at - Date.now()), LONGEST_TIMER_MS),
  );
  const signals = signal === undefined ? [timeUp.signal] : [signal, timeUp.signal];
  return { signal: AbortSignal.any(signals), clear: () => clearTimeout(timer) };
}

/** The error for a run whose deadline has passed. */
export function timeIsUp(): MigrationError {
  return new MigrationError("DEADLINE", "the time for this run is up", {
    hint: "Run again: it goes on where this run stopped. A single statement that needs longer needs a run with more time.",
  });
}

/** Whether a signal of `withDeadline` was aborted because time is up, and not by a person. */
export function isTimeUp(signal: AbortSignal | undefined): boolean {
  const reason: unknown = signal?.reason;
  return reason instanceof MigrationError && reason.code === "DEADLINE";
}

/** Milliseconds until a deadline, if there is one. */
export function leftUntil(deadline: number | undefined): number | undefined {
  return deadline === undefined ? undefined : deadline - Date.now();
}
