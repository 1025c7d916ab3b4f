import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { OLDEST_SERVER_MAJOR } from "../defaults.ts";
import { MigrationError } from "../errors.ts";
import type { Observer } from "../events.ts";
import type { ResolvedOptions } from "../options.ts";
import { maskQuoted, maskSecrets } from "../sql/mask.ts";
import { createClient } from "./client.ts";
import { connectionError, isConnectionLoss, isStarting, readFailure } from "./failure.ts";
import { applySettings } from "./prepare.ts";
import type { ConnectionSettings } from "./settings.ts";

export interface SessionOptions {
  readonly connection: ConnectionSettings;
  readonly options: ResolvedOptions;
  readonly applicationName: string;
  readonly observe: Observer;
  /** Cancels the running statement, and refuses the next. */
  readonly signal?: AbortSignal | undefined;
}

/** One prepared connection. All SQL of a run goes through it, one statement at a time. */
export class Session {
  readonly pid: number;
  readonly serverMajor: number;
  readonly #client: pg.Client;
  readonly #setup: SessionOptions;
  #lost = false;

  private constructor(client: pg.Client, setup: SessionOptions, pid: number, serverMajor: number) {
    this.#client = client;
    this.#setup = setup;
    this.pid = pid;
    this.serverMajor = serverMajor;
  }

  /**
   * Connects and prepares. Waits, within bounds, for a server that is starting.
   * @throws MigrationError with a connection code
   */
  static async open(setup: SessionOptions): Promise<Session> {
    const client = await connect(setup);
    try {
      const text = applySettings(setup.options);
      const { rows } = await client.query<{ pid: number; version: number }>(text);
      const [{ pid, version } = { pid: 0, version: 0 }] = rows;
      const major = Math.floor(version / 10_000);
      if (major < OLDEST_SERVER_MAJOR) throw tooOld(major);
      client.on("notice", ({ severity = "NOTICE", message = "" }) =>
        setup.observe({ type: "notice", severity, message }),
      );
      return new Session(client, setup, pid, major);
    } catch (error) {
      await client.end().catch(() => {});
      throw error instanceof MigrationError ? error : connectionError(error, setup.connection);
    }
  }

  /** False once the connection was lost: nothing can be rolled back or unlocked any more, and need not be. */
  get usable(): boolean {
    return !this.#lost;
  }

  /**
   * Runs SQL as it is (several statements in one text are one round trip).
   * @throws MigrationError `SQL`, `CONNECTION` when the session is lost, `CANCELLED`
   */
  async run(text: string): Promise<void> {
    await this.query(text);
  }

  /** Runs one query and returns its rows. */
  async rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> {
    const { rows } = await this.query<Row>(text, values);
    return rows;
  }

  /** Runs a query for a migration's `pgm.db`, or for the engine. */
  async query<Row extends pg.QueryResultRow>(
    query: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>> {
    const { signal } = this.#setup;
    if (signal?.aborted) throw cancelled(signal);
    const cancel = new CancelOnAbort(signal, () => this.#cancelStatement());
    try {
      return await this.#client.query<Row>(query, values);
    } catch (error) {
      throw this.#typed(error, typeof query === "string" ? query : query.text);
    } finally {
      await cancel.settled();
    }
  }

  /** Runs clean-up SQL even after a cancel; a failure is of no consequence, because ending the session cleans up too. */
  async cleanUp(text: string): Promise<void> {
    if (!this.usable) return;
    await this.#client.query(text).catch((error: unknown) => {
      if (isConnectionLoss(error)) this.#lost = true;
    });
  }

  /** Runs bookkeeping that must happen even after a cancel, if the connection still allows it. */
  async record(text: string): Promise<boolean> {
    if (!this.usable) return false;
    return this.#client.query(text).then(
      () => true,
      () => false,
    );
  }

  /** Undoes whatever a migration did to the session, so that the next one starts as the first did. */
  async restore(): Promise<void> {
    await this.run(`RESET SESSION AUTHORIZATION; RESET ALL; ${applySettings(this.#setup.options)}`);
  }

  /** From here on the server refuses whatever would write. */
  async makeReadOnly(): Promise<void> {
    await this.run("SET default_transaction_read_only = on");
  }

  async end(): Promise<void> {
    await this.#client.end().catch(() => {});
  }

  #typed(error: unknown, statement: string): MigrationError {
    const { signal, connection } = this.#setup;
    const failure = readFailure(error);
    if (isConnectionLoss(error)) this.#lost = true;
    if (signal?.aborted) return cancelled(signal, error);
    if (this.#lost) {
      return new MigrationError(
        "CONNECTION",
        `the connection to ${connection.host}:${connection.port} was lost: ${failure.message}`,
        {
          statement,
          cause: error,
          hint: "Run the command again: what was committed stays, nothing runs twice.",
        },
      );
    }
    return sqlError(error, statement);
  }

  /** Asks the server, over a second connection, to cancel; cuts the connection when that does not work. */
  async #cancelStatement(): Promise<void> {
    const { connection, options, applicationName } = this.#setup;
    const helper = createClient(connection, { applicationName, connectTimeoutMs: options.connectTimeoutMs });
    try {
      await helper.connect();
      await helper.query("SELECT pg_catalog.pg_cancel_backend($1)", [this.pid]);
    } catch {
      this.#lost = true;
      this.#client.connection.stream.destroy();
    } finally {
      await helper.end().catch(() => {});
    }
  }
}

/** Runs `onAbort` once if the signal fires while a query is under way. */
class CancelOnAbort {
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

async function connect(setup: SessionOptions): Promise<pg.Client> {
  const { connection, options, applicationName, observe, signal } = setup;
  const giveUpAt = performance.now() + options.startingWaitMs;
  for (;;) {
    if (signal?.aborted) throw cancelled(signal);
    const client = createClient(connection, { applicationName, connectTimeoutMs: options.connectTimeoutMs });
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      if (!isStarting(error) || performance.now() > giveUpAt) throw connectionError(error, connection);
      observe({ type: "server-starting", message: readFailure(error).message });
      await sleep(250, undefined, { signal }).catch(() => {});
    }
  }
}

function tooOld(major: number): MigrationError {
  return new MigrationError(
    "USAGE",
    `the server is Postgres ${major}; ${OLDEST_SERVER_MAJOR} or newer is needed`,
  );
}

export function cancelled(signal: AbortSignal, cause?: unknown): MigrationError {
  const reason: unknown = signal.reason;
  const why = typeof reason === "string" ? ` (${reason})` : "";
  return new MigrationError("CANCELLED", `cancelled${why}`, cause === undefined ? {} : { cause });
}

function sqlError(error: unknown, statement: string): MigrationError {
  const { message, code, detail, hint, position, fromServer } = readFailure(error);
  const masked = (text: string): string => maskQuoted(text, statement);
  const lockWait = code === "55P03" || code === "40P01";
  return new MigrationError(lockWait ? "LOCK_TIMEOUT" : "SQL", masked(message), {
    statement: maskSecrets(statement),
    cause: error,
    ...(fromServer && code !== undefined ? { sqlstate: code } : {}),
    ...(detail === undefined ? {} : { detail: masked(detail) }),
    ...(hint === undefined ? {} : { hint: masked(hint) }),
    ...(position === undefined ? {} : { position }),
  });
}
