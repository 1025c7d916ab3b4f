import { MigrationError } from "../core/index.ts";

export interface Deadline {
  /** Aborted by the user's signal, or when time is up. */
  readonly signal: AbortSignal | undefined;
  /** Forgets the deadline. */
  clear(): void;
}

/** The longest delay a timer takes; a deadline beyond that is none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One signal for both reasons to stop. @param at milliseconds since the epoch; absent: no deadline */
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

/** The error for a run that has used up its time. */
export function timeIsUp(): MigrationError {
  return new MigrationError("DEADLINE", "the time for this run is up", {
    hint: "Run again: it goes on where this run stopped. A single statement that needs longer needs a run with more time.",
  });
}

/** Milliseconds until a deadline, if there is one. */
export function leftUntil(deadline: number | undefined): number | undefined {
  return deadline === undefined ? undefined : deadline - Date.now();
}
