import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Observer, ResolvedOptions } from "../core/index.ts";
import { cancelled } from "./cancel.ts";
import { type ConnectionSettings, createClient } from "./client.ts";
import { connectionError, isOutOfReach, isStarting, readFailure } from "./failure.ts";

export interface SessionOptions {
  readonly connection: ConnectionSettings;
  readonly options: ResolvedOptions;
  readonly applicationName: string;
  readonly observe: Observer;
  /** Cancels the running statement, and refuses the next one. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for a query of a helper connection. The connection of the run has no such limit. */
  readonly queryTimeoutMs?: number;
  /** Milliseconds since the epoch. No statement runs longer. */
  readonly deadline?: number | undefined;
}

/** Connects. Retries, within bounds, while the server is starting or cannot be reached. */
export async function connect(setup: SessionOptions): Promise<pg.Client> {
  const { connection, options, observe, signal } = setup;
  const startedAt = performance.now();
  const latest = setup.deadline === undefined ? Number.POSITIVE_INFINITY : setup.deadline - Date.now();
  for (let attempt = 1; ; attempt += 1) {
    if (signal?.aborted) throw cancelled(signal);
    try {
      return await connectOnce(setup);
    } catch (error) {
      if (signal?.aborted) throw cancelled(signal, error);
      const pauseMs = isStarting(error) ? STARTING_PAUSE_MS : pauseAfter(attempt);
      const waited = performance.now() - startedAt + pauseMs;
      if (waited > Math.min(patience(error, options), latest)) throw connectionError(error, connection);
      observe({ type: "server-starting", message: readFailure(error).message });
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }
}

const STARTING_PAUSE_MS = 250;

/** Milliseconds before the next attempt. They grow, so that a restarted server is found soon and a stopped one is not flooded. */
function pauseAfter(attempt: number): number {
  return Math.min(250 * 2 ** (attempt - 1), 3_000);
}

/** Milliseconds for retries after this error. */
function patience(error: unknown, { startingWaitMs, databaseWaitMs }: ResolvedOptions): number {
  if (isStarting(error)) return Math.max(startingWaitMs, databaseWaitMs);
  return isOutOfReach(error) ? databaseWaitMs : 0;
}

/** Makes one attempt. An abort ends it at once, also when the host does not answer. */
export async function connectOnce(setup: SessionOptions): Promise<pg.Client> {
  const { connection, options, applicationName, queryTimeoutMs } = setup;
  const { connectTimeoutMs = options.connectTimeoutMs } = connection;
  const client = createClient(connection, { applicationName, connectTimeoutMs, queryTimeoutMs });
  try {
    await cuttingOnAbort(client, setup.signal, () => client.connect());
    return client;
  } catch (error) {
    await endClient(client);
    throw error;
  }
}

/**
 * Makes a second connection, for short queries and cancel requests.
 * @param signal ends the attempt to connect
 */
export function connectHelper(setup: SessionOptions, signal: AbortSignal): Promise<pg.Client> {
  return connectOnce({ ...setup, signal, queryTimeoutMs: 5_000 });
}

/** Does `work`, and cuts the connection when the signal fires. */
export async function cuttingOnAbort<T>(
  client: pg.Client,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const cut = (): void => cutConnection(client);
  if (signal?.aborted) cut();
  signal?.addEventListener("abort", cut, { once: true });
  try {
    return await work();
  } finally {
    signal?.removeEventListener("abort", cut);
  }
}

/** Ends the connection at once: running queries fail, and the server rolls back when it notices. */
export function cutConnection(client: pg.Client): void {
  client.connection.stream.destroy();
}

const GOODBYE_MS = 1_000;

/** Ends the connection in order, or cuts it after a second. */
export async function endClient(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => cutConnection(client), GOODBYE_MS);
  await client.end().catch(() => {});
  clearTimeout(timer);
}
