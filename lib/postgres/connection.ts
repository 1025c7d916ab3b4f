import type pg from "pg";
import { MigrationError, type OnDeadline, type ResolvedOptions } from "../core/index.ts";
import { describeSession } from "./activity.ts";
import { CancelOnAbort, cancelled, isTimeUp, leftUntil, timeIsUp } from "./cancel.ts";
import { connectHelper, cutConnection, cuttingOnAbort, endClient, type SessionOptions } from "./connect.ts";
import { type Failure, readFailure } from "./failure.ts";
import type { Place } from "./message.ts";
import { shownOf, sqlError } from "./sql-error.ts";
import { type OnProgress, StatementWatch } from "./statement-watch.ts";

/** How a concurrent statement is sent. */
export interface Concurrent {
  /** Is told how far it has come. */
  readonly onProgress?: OnProgress | undefined;
  /** In the `background`, the connection is cut and the server goes on. */
  readonly onDeadline: OnDeadline;
}

/** A connection that sends one message at a time. Messages can be cancelled, and fail with typed errors. */
export class Connection {
  readonly #client: pg.Client;
  readonly #pid: number;
  readonly #setup: SessionOptions;
  readonly #watch: StatementWatch;
  #lost = false;
  #hasLeftStatement = false;

  /** @param pid of the server process */
  constructor(client: pg.Client, pid: number, setup: SessionOptions) {
    this.#client = client;
    this.#pid = pid;
    this.#setup = setup;
    this.#watch = new StatementWatch({
      connect: (signal) => connectHelper(setup, signal),
      pid,
      intervalMs: checkIntervalMs(setup.options),
      onBlocked: (by) => setup.observe({ type: "blocked", by }),
    });
  }

  /** False once the connection is lost. The server then rolls back and releases locks by itself. */
  get usable(): boolean {
    return !this.#lost;
  }

  /** Whether the connection was cut at the deadline, with a statement under way that the server finishes alone. */
  get hasLeftStatement(): boolean {
    return this.#hasLeftStatement;
  }

  /**
   * Sends a message and waits for the answer.
   * @param placeOf finds the SQL that failed
   * @throws MigrationError `SQL`, `LOCK_TIMEOUT`, `CONNECTION` when the connection is lost, `CANCELLED`, `DEADLINE`
   */
  async ask<T>(
    send: (client: pg.Client) => Promise<T>,
    placeOf: (failure: Failure) => Place,
    concurrent?: Concurrent,
  ): Promise<T> {
    const { signal } = this.#setup;
    if (signal?.aborted) throw cancelled(signal);
    const cancel = new CancelOnAbort(signal, {
      cancel: (givenUp) =>
        concurrent?.onDeadline === "background" && isTimeUp(signal)
          ? this.#leaveStatement()
          : this.#cancelStatement(givenUp),
      cut: () => this.#cut(),
    });
    try {
      return await this.#watch.during(() => send(this.#client), concurrent?.onProgress);
    } catch (error) {
      throw await this.#typed(error, placeOf(readFailure(error)));
    } finally {
      await cancel.settled();
    }
  }

  /**
   * Sends one of the last queries of a session, also after a cancel. Waits a few seconds at most.
   * @returns false when it failed
   */
  async askAtLast(text: string): Promise<boolean> {
    if (!this.usable) return false;
    const timer = setTimeout(() => this.#cut(), LAST_WORDS_MS);
    try {
      await this.#client.query(text);
      return true;
    } catch (error) {
      if (!readFailure(error).fromServer) this.#lost = true;
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async #leaveStatement(): Promise<void> {
    this.#hasLeftStatement = true;
    this.#cut();
  }

  #cut(): void {
    this.#lost = true;
    cutConnection(this.#client);
  }

  /** `I`: no transaction is open; `T`: one is; `E`: one is, and has failed. */
  get transactionStatus(): "I" | "T" | "E" {
    return this.#client.getTransactionStatus() ?? "I";
  }

  async end(): Promise<void> {
    await this.#watch.end();
    await endClient(this.#client);
  }

  /** The server's limit and the timer of this process end at the same moment, and either may be first. */
  #isTimeUp(): boolean {
    const left = leftUntil(this.#setup.deadline);
    return left !== undefined && left < 100;
  }

  async #typed(error: unknown, place: Place): Promise<MigrationError> {
    const { signal, connection } = this.#setup;
    const { meaning, failing } = place;
    const failure = readFailure(error);
    if (!(await this.#survived(failure))) this.#lost = true;
    if (signal?.aborted) return cancelled(signal, error);
    if (failure.code === QUERY_CANCELED && this.#isTimeUp()) return timeIsUp();
    if (this.#lost) {
      return new MigrationError(
        "CONNECTION",
        `the connection to ${connection.host}:${connection.port} was lost: ${failure.message}`,
        {
          // SQL of the engine is not shown: it holds recorded SQL.
          ...shownOf(place),
          cause: error,
          hint: "Run the command again: what was committed stays, nothing runs twice.",
        },
      );
    }
    const refusal = sqlError(error, place, this.#watch.blockers.map(describeSession));
    return meaning === undefined ? refusal : meaning(refusal, failing);
  }

  /**
   * Whether the connection has survived an error. Codes do not tell, because SQL can raise any code, and the severity is
   * in the language of the server.
   */
  async #survived({ fromServer, code = "" }: Failure): Promise<boolean> {
    if (!fromServer) return false;
    return /^(08|57P|25P03)/.test(code) ? this.askAtLast("") : true;
  }

  /** Cancels the statement over a second connection; cuts the connection if that fails. */
  async #cancelStatement(givenUp: AbortSignal): Promise<void> {
    try {
      const helper = await connectHelper(this.#setup, givenUp);
      const ask = () => helper.query("SELECT pg_catalog.pg_cancel_backend($1)", [this.#pid]);
      await cuttingOnAbort(helper, givenUp, ask);
      await endClient(helper);
    } catch {
      this.#cut();
    }
  }
}

/** Several checks within a lock timeout. That of measuring for a budget is a short one. */
function checkIntervalMs({ lockTimeoutMs, maxLockMs }: ResolvedOptions): number {
  return Math.max(20, Math.min(maxLockMs === undefined ? 1_000 : 150, lockTimeoutMs / 3 || 1_000));
}

/** SQLSTATE of a statement that was cancelled or ran into `statement_timeout`. */
const QUERY_CANCELED = "57014";

/** Milliseconds for the last queries of a session. */
const LAST_WORDS_MS = 3_000;
