import { errorAsJson, MigrationError } from "../../lib/core/index.ts";
import { outsideContainment, strayError } from "../../lib/engine/index.ts";
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

/** How many migrations a failed run had still to do; undefined if it had not begun. */
export function remainingIn(error: unknown): number | undefined {
  return error instanceof MigrationError ? error.details.remaining?.length : undefined;
}

let stopRun: ((error: MigrationError) => void) | undefined;
let isInstalled = false;

/**
 * Runs `work`. If the code of a migration throws an error that nothing catches, for example in a timer, `stop` gets it.
 * Otherwise Lambda's runtime would end the process and report that from inside the migration, where connections are
 * refused: it would retry for ever.
 */
export async function stoppedByStrayErrors<T>(
  stop: (error: MigrationError) => void,
  work: () => Promise<T>,
): Promise<T> {
  install();
  stopRun = stop;
  try {
    return await work();
  } finally {
    stopRun = undefined;
  }
}

/** Replaces the listeners of the runtime. They still get every error that comes from no migration. */
function install(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    const listeners: readonly unknown[] = process.rawListeners(event);
    process.removeAllListeners(event);
    process.on(event, (...args: unknown[]) => hear(args, listeners));
  }
}

function hear(args: readonly unknown[], listeners: readonly unknown[]): void {
  const stray = strayError(args[0]);
  // The current build throws it.
  if (stray?.fatal === false) return;
  outsideContainment(() => {
    if (stray !== undefined && stopRun !== undefined) return stopRun(stray.error);
    for (const listener of listeners)
      if (typeof listener === "function") Reflect.apply(listener, process, args);
    if (listeners.length === 0) process.exit(1);
  });
}
