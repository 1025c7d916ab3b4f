import type pg from "pg";
import { OLDEST_SERVER_MAJOR } from "../defaults.ts";
import { MigrationError } from "../errors.ts";
import { maskSecrets } from "../sql/mask.ts";
import { describeSession } from "./activity.ts";
import { BlockerWatch } from "./blocker-watch.ts";
import { CancelOnAbort, cancelled } from "./cancel.ts";
import { connect, connectOnce, type SessionOptions } from "./connect.ts";
import { connectionError, isConnectionLoss, readFailure } from "./failure.ts";
import { applySettings } from "./prepare.ts";
import { sqlError } from "./sql-error.ts";

/** One prepared connection. All SQL of a run goes through it, one statement at a time. */
export class Session {
  readonly pid: number;
  readonly serverMajor: number;
  readonly #client: pg.Client;
  readonly #setup: SessionOptions;
  readonly #watch: BlockerWatch;
  #lost = false;

  private constructor(client: pg.Client, setup: SessionOptions, pid: number, serverMajor: number) {
    this.#client = client;
    this.#setup = setup;
    this.pid = pid;
    this.serverMajor = serverMajor;
    this.#watch = new BlockerWatch({
      connect: () => connectOnce({ ...setup, signal: undefined }),
      pid,
      intervalMs: Math.max(20, Math.min(1000, setup.options.lockTimeoutMs / 3 || 1000)),
      onBlocked: (by) => setup.observe({ type: "blocked", by }),
    });
  }

  /**
   * Connects and prepares. Waits, within bounds, for a server that is starting.
   * @throws MigrationError with a connection code
   */
  static async open(setup: SessionOptions): Promise<Session> {
    const client = await connect(setup);
    try {
      const text = applySettings(setup.options, leftUntil(setup.deadline));
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
      return await this.#watch.during(() => this.#client.query<Row>(query, values));
    } catch (error) {
      throw this.#typed(error, typeof query === "string" ? query : query.text);
    } finally {
      await cancel.settled();
    }
  }

  /** Rolls back what is open, even after a cancel. */
  async rollback(): Promise<void> {
    if (this.#client.getTransactionStatus() !== "I") await this.cleanUp("ROLLBACK");
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
    await this.run(
      `RESET SESSION AUTHORIZATION; RESET ALL; ${applySettings(this.#setup.options, leftUntil(this.#setup.deadline))}`,
    );
  }

  /** From here on the server refuses whatever would write. */
  async makeReadOnly(): Promise<void> {
    await this.run("SET default_transaction_read_only = on");
  }

  async end(): Promise<void> {
    await this.#watch.end();
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
          statement: maskSecrets(statement),
          cause: error,
          hint: "Run the command again: what was committed stays, nothing runs twice.",
        },
      );
    }
    return sqlError(error, statement, this.#watch.blockers.map(describeSession));
  }

  /** Asks the server, over a second connection, to cancel; cuts the connection when that does not work. */
  async #cancelStatement(): Promise<void> {
    try {
      const helper = await connectOnce({ ...this.#setup, signal: undefined });
      await helper.query("SELECT pg_catalog.pg_cancel_backend($1)", [this.pid]);
      await helper.end();
    } catch {
      this.#lost = true;
      this.#client.connection.stream.destroy();
    }
  }
}

function tooOld(major: number): MigrationError {
  return new MigrationError(
    "USAGE",
    `the server is Postgres ${major}; ${OLDEST_SERVER_MAJOR} or newer is needed`,
  );
}

function leftUntil(deadline: number | undefined): number | undefined {
  return deadline === undefined ? undefined : deadline - Date.now();
}
