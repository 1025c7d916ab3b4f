import type pg from "pg";
import { MIGRATION_LOCK_ID, OLDEST_SERVER_MAJOR } from "../defaults.ts";
import { MigrationError } from "../errors.ts";
import { maskSecrets } from "../sql/mask.ts";
import { describeSession } from "./activity.ts";
import { BlockerWatch } from "./blocker-watch.ts";
import { CancelOnAbort, cancelled } from "./cancel.ts";
import { connect, connectOnce, type SessionOptions } from "./connect.ts";
import { connectionError, isConnectionLoss, readFailure } from "./failure.ts";
import { applySettings, ENGINE_PATH, ENGINE_SCOPE, migrationPath, type SessionState } from "./prepare.ts";
import { sqlError } from "./sql-error.ts";

/** One prepared connection. All SQL of a run goes through it, one statement at a time. */
export class Session {
  readonly pid: number;
  readonly serverMajor: number;
  readonly #client: pg.Client;
  readonly #setup: SessionOptions;
  readonly #watch: BlockerWatch;
  #lost = false;
  #readOnly = false;

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
      const text = applySettings(setup.options, {
        searchPath: ENGINE_PATH,
        leftMs: leftUntil(setup.deadline),
        readOnly: false,
      });
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
    if (this.transactionStatus !== "I") await this.cleanUp("ROLLBACK");
  }

  /** Runs clean-up SQL even after a cancel; a failure is of no consequence, because ending the session cleans up too. */
  async cleanUp(text: string): Promise<void> {
    if (!this.usable) return;
    await this.#client.query(text).catch((error: unknown) => {
      if (isConnectionLoss(error)) this.#lost = true;
    });
  }

  /** Runs bookkeeping of its own transaction, after a cancel too, if the connection still allows it. */
  async record(statement: string): Promise<boolean> {
    if (!this.usable) return false;
    await this.rollback();
    return this.#client.query(["BEGIN READ WRITE", ...ENGINE_SCOPE, statement, "COMMIT"].join("; ")).then(
      () => true,
      () => this.rollback().then(() => false),
    );
  }

  /**
   * Puts the session into the state in which every migration starts, whatever the one before did to it.
   * @throws MigrationError `LOCK_HELD` when that one has let the migration lock go
   */
  async enterMigration(): Promise<void> {
    const { options } = this.#setup;
    const results: unknown = await this.query(
      [
        ...LEAVE_STATE,
        `SET search_path = ${ENGINE_PATH}`,
        `SELECT ${holdsLock(MIGRATION_LOCK_ID)} AS held`,
        applySettings(options, this.#state(migrationPath(options))),
      ].join("; "),
    );
    if (!this.#readOnly && !saysHeld(results)) throw lockLost();
  }

  /** Puts the session back into the state in which the engine's own SQL runs. */
  async enterEngine(): Promise<void> {
    await this.run([...LEAVE_STATE, applySettings(this.#setup.options, this.#state(ENGINE_PATH))].join("; "));
  }

  /** From here on the server refuses whatever would write. */
  async makeReadOnly(): Promise<void> {
    this.#readOnly = true;
    await this.enterEngine();
  }

  /** `I`: no transaction is open; `T`: one is; `E`: one is, and has failed. */
  get transactionStatus(): "I" | "T" | "E" {
    return this.#client.getTransactionStatus() ?? "I";
  }

  #state(searchPath: string): SessionState {
    return { searchPath, leftMs: leftUntil(this.#setup.deadline), readOnly: this.#readOnly };
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

/** What a migration may leave in its session. `RESET ALL` leaves the role alone. */
const LEAVE_STATE = ["RESET SESSION AUTHORIZATION", "RESET ALL", "DEALLOCATE ALL", "UNLISTEN *"] as const;

/** An advisory lock's bigint key is shown as two 32-bit halves. */
function holdsLock(id: number): string {
  return (
    "EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 " +
    `AND pid = pg_catalog.pg_backend_pid() AND ((classid::bigint << 32) | objid::bigint) = ${id})`
  );
}

/** Several statements in one text give an array of results, which the driver's types do not know. */
function saysHeld(results: unknown): boolean {
  if (!Array.isArray(results)) return false;
  return results.some((result: unknown) => {
    const rows: unknown =
      typeof result === "object" && result !== null ? Reflect.get(result, "rows") : undefined;
    const [row]: unknown[] = Array.isArray(rows) ? rows : [];
    return typeof row === "object" && row !== null && Reflect.get(row, "held") === true;
  });
}

function lockLost(): MigrationError {
  return new MigrationError("LOCK_HELD", "a migration of this run has let go of the migration lock", {
    hint: "Take pg_advisory_unlock_all() or DISCARD ALL out of it; what ran before stays, the rest runs next time.",
  });
}
