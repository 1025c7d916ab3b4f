import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { types } from "node:util";
import { MigrationError } from "../core/index.ts";
import type { Refusal } from "./process-guard.ts";

/** Why code of a migration runs: its file is loaded, or one of its functions is called. */
export type Activity = "load" | "up" | "down";

export interface ContainedCode {
  /** Undefined for code that several migrations share. */
  readonly migration: string | undefined;
  readonly activity: Activity;
  /** Whether its output is dropped, because it is called for the record only. */
  readonly silent?: boolean;
}

interface Running extends ContainedCode {
  /** The first forbidden thing that it did. Kept, because the migration may catch the error. */
  refused: MigrationError | undefined;
  /** Called once, with the first refusal. */
  onRefused: () => void;
  ended: boolean;
  silenced: boolean;
  /** Number of writes to stdout and stderr. */
  written: number;
}

const current = new AsyncLocalStorage<Running | undefined>();

/** Number of writes that each activity of each migration has already shown. */
const shown = new Map<string, number>();

let beforeFirstCode: (() => void) | undefined;

/** `listener` is called once, before the first code of a migration runs in this process. */
export function onFirstMigrationCode(listener: () => void): void {
  beforeFirstCode = listener;
}

/**
 * Runs code of a migration. Neither that code nor anything it starts, timers included, can open a connection, start a
 * process or a thread, or end this process. Its output goes to stderr, once, although the code may run several times.
 * Other code of this process is not affected.
 * @throws MigrationError `MIGRATION` for what it must not do, even if the migration has caught the error
 */
export async function contain<T>(code: ContainedCode, work: () => Promise<T>): Promise<T> {
  const { guardProcess } = await import("./process-guard.ts");
  guardProcess({ refuse, mayPrint });
  const running: Running = {
    ...code,
    refused: undefined,
    onRefused: () => {},
    ended: false,
    silenced: false,
    written: 0,
  };
  beforeFirstCode?.();
  beforeFirstCode = undefined;
  const result = current.run(running, work);
  await waitForEndOrRefusal(running, result);
  // Node reports unhandled rejections at the end of a turn of the event loop: those of this code must fail it.
  if (code.activity !== "load") await nextTurn();
  running.ended = true;
  if (running.refused !== undefined) throw running.refused;
  return await result;
}

const GRACE_MS = 1000;

/** Waits for the code, but not for ever: after a refusal that it has caught, it may wait for a connection that it cannot open. */
async function waitForEndOrRefusal(running: Running, result: Promise<unknown>): Promise<void> {
  let grace: NodeJS.Timeout | undefined;
  const refused = new Promise<void>((resolve) => {
    running.onRefused = () => {
      grace = setTimeout(resolve, GRACE_MS);
    };
    if (running.refused !== undefined) running.onRefused();
  });
  await Promise.race([Promise.allSettled([result]), refused]);
  clearTimeout(grace);
  running.onRefused = () => {};
}

/** Keeps the first refusal: later ones follow from it. */
function keepRefusal(running: Running, error: MigrationError): MigrationError {
  if (running.refused !== undefined) return running.refused;
  running.refused = error;
  running.onRefused();
  return error;
}

/** Runs work of the engine that a migration's code has called: the engine's session is allowed to use its connection. */
export function outsideContainment<T>(work: () => T): T {
  return current.run(undefined, work);
}

/** Drops the output of the running code from here on, because it will be called again. */
export function silenceContained(): void {
  const running = current.getStore();
  if (running !== undefined) running.silenced = true;
}

export interface StrayError {
  readonly error: MigrationError;
  /** False when the running migration fails with it. */
  readonly fatal: boolean;
}

/** Turns an uncaught error into the error of the migration whose code it comes from; undefined when it comes from none. */
export function strayError(error: unknown): StrayError | undefined {
  const running = current.getStore();
  if (error instanceof MigrationError) return settle(running, error);
  if (running === undefined) return undefined;
  const message = types.isNativeError(error) ? error.message : String(error);
  const whose = running.migration === undefined ? "a migration" : `migration ${running.migration}`;
  const stray = new MigrationError(
    "MIGRATION",
    `code of ${whose} failed where nothing caught it: ${message}`,
    {
      ...named(running),
      cause: error,
      hint: "Await every promise in up and down, and start nothing there that goes on afterwards.",
    },
  );
  return settle(running, stray);
}

function settle(running: Running | undefined, error: MigrationError): StrayError {
  if (running === undefined || running.ended) return { error, fatal: true };
  keepRefusal(running, error);
  return { error, fatal: false };
}

function named({ migration }: ContainedCode): { migration?: string } {
  return migration === undefined ? {} : { migration };
}

/** Throws if a migration's code runs. */
function refuse({ what, hint }: Refusal, caller: (...args: never[]) => unknown): void {
  const running = current.getStore();
  if (running === undefined) return;
  const cause = new Error(what);
  const place = placeBelow(caller, cause);
  const whose = running.migration === undefined ? "a migration" : `migration ${running.migration}`;
  const where = place === undefined ? "" : ` (${place})`;
  const when = running.activity === "load" ? " when it is loaded" : "";
  throw keepRefusal(
    running,
    new MigrationError("MIGRATION", `${whose} ${what}${when}${where}`, { ...named(running), cause, hint }),
  );
}

const DEEP = 100;

/** The first place in the stack below `caller` that is neither in Node, nor in a package, nor in the engine. */
function placeBelow(caller: (...args: never[]) => unknown, error: Error): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = DEEP;
  Error.captureStackTrace(error, caller);
  const stack = error.stack ?? "";
  Error.stackTraceLimit = stackTraceLimit;
  for (const line of stack.split("\n")) {
    const [, file, row] = /^ +at .*?((?:file:\/\/|\/|[A-Z]:[\\/])[^()]*):(\d+):\d+\)?$/.exec(line) ?? [];
    if (file === undefined || isForeign(file)) continue;
    return `${file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1)}:${row}`;
  }
  return undefined;
}

function isForeign(file: string): boolean {
  return (
    /[\\/]node_modules[\\/]|[\\/]lib[\\/](?:engine|postgres)[\\/]/.test(file) ||
    file.endsWith(import.meta.filename)
  );
}

/** Whether a write is shown; undefined when no migration writes. */
function mayPrint(): boolean | undefined {
  const running = current.getStore();
  if (running === undefined) return undefined;
  if (running.silent || running.silenced) return false;
  const key = `${running.activity}/${running.migration ?? ""}`;
  running.written += 1;
  const before = shown.get(key) ?? 0;
  if (running.written <= before) return false;
  shown.set(key, running.written);
  return true;
}
