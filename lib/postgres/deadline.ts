import { MigrationError } from "../core/index.ts";

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

/** Milliseconds until a deadline, if there is one. */
export function leftUntil(deadline: number | undefined): number | undefined {
  return deadline === undefined ? undefined : deadline - Date.now();
}
