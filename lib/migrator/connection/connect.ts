import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Observer } from "../events.ts";
import type { ResolvedOptions } from "../options.ts";
import { cancelled } from "./cancel.ts";
import { createClient } from "./client.ts";
import { connectionError, isStarting, readFailure } from "./failure.ts";
import type { ConnectionSettings } from "./settings.ts";

export interface SessionOptions {
  readonly connection: ConnectionSettings;
  readonly options: ResolvedOptions;
  readonly applicationName: string;
  readonly observe: Observer;
  /** Cancels the running statement, and refuses the next. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since the epoch; statements are limited to what is left until then. */
  readonly deadline?: number | undefined;
}

/** Connects; waits, within bounds, for a server that is starting. */
export async function connect(setup: SessionOptions): Promise<pg.Client> {
  const { connection, options, observe, signal } = setup;
  const giveUpAt = performance.now() + options.startingWaitMs;
  for (;;) {
    if (signal?.aborted) throw cancelled(signal);
    try {
      return await connectOnce(setup);
    } catch (error) {
      if (signal?.aborted) throw cancelled(signal, error);
      if (!isStarting(error) || performance.now() > giveUpAt) throw connectionError(error, connection);
      observe({ type: "server-starting", message: readFailure(error).message });
      await sleep(250, undefined, { signal }).catch(() => {});
    }
  }
}

/** One try. An abort ends it at once: a host that does not answer would keep the user waiting. */
export async function connectOnce({
  connection,
  options,
  applicationName,
  signal,
}: SessionOptions): Promise<pg.Client> {
  const client = createClient(connection, { applicationName, connectTimeoutMs: options.connectTimeoutMs });
  const giveUp = (): void => {
    client.connection.stream.destroy();
  };
  signal?.addEventListener("abort", giveUp, { once: true });
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}
