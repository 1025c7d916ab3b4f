import type pg from "pg";
import { OLDEST_SERVER_MAJOR } from "../defaults.ts";
import { MigrationError } from "../errors.ts";
import { maskSecrets } from "../sql/mask.ts";
import { describeSession } from "./activity.ts";
import { Answers } from "./answers.ts";
import { BlockerWatch } from "./blocker-watch.ts";
import { CancelOnAbort, cancelled } from "./cancel.ts";
import {
  connect,
  connectHelper,
  cutConnection,
  cuttingOnAbort,
  endClient,
  type SessionOptions,
} from "./connect.ts";
import { timeIsUp } from "./deadline.ts";
import { enterEngineText, enterMigrationParts, type Situation } from "./enter.ts";
import { connectionError, type Failure, readFailure } from "./failure.ts";
import { messagesOf, type Part, type Place } from "./message.ts";
import { ENGINE_PATH, ENGINE_SCOPE, firstSettings, type SessionFacts } from "./prepare.ts";
import { sqlError } from "./sql-error.ts";

/** One prepared connection. All SQL of a run goes through it, one statement at a time. */
export class Session {
  readonly pid: number;
  readonly serverMajor: number;
  readonly #client: pg.Client;
  readonly #setup: SessionOptions;
  readonly #watch: BlockerWatch;
  readonly #answers: Answers;
  readonly #known: readonly string[];
  #lost = false;
  #readOnly = false;

  private constructor(client: pg.Client, setup: SessionOptions, { pid, version, known }: SessionFacts) {
    this.#client = client;
    this.#setup = setup;
    this.#answers = new Answers(client);
    this.#known = known;
    this.pid = pid;
    this.serverMajor = majorOf(version);
    this.#watch = new BlockerWatch({
      connect: () => connectHelper(setup),
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
      const text = firstSettings(setup.options, {
        searchPath: ENGINE_PATH,
        leftMs: leftUntil(setup.deadline),
        readOnly: false,
      });
      const ask = () => client.query<SessionFacts>(text);
      const { rows } = await cuttingOnAbort(client, setup.signal, ask);
      const [facts = { pid: 0, version: 0, known: [] }] = rows;
      if (majorOf(facts.version) < OLDEST_SERVER_MAJOR) throw tooOld(majorOf(facts.version));
      client.on("notice", ({ severity = "NOTICE", message = "" }) =>
        setup.observe({ type: "notice", severity, message }),
      );
      return new Session(client, setup, facts);
    } catch (error) {
      await endClient(client);
      if (setup.signal?.aborted) throw cancelled(setup.signal, error);
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
  query<Row extends pg.QueryResultRow>(
    query: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>> {
    const text = typeof query === "string" ? query : query.text;
    const place = ({ position }: Failure) => ({ text, position });
    return this.#ask(() => this.#client.query<Row>(query, values), place);
  }

  /**
   * Runs parts that belong together, as one message where that is possible: when one fails, none after it runs.
   * @param title shown to whoever asks the server what this session does
   */
  async runTogether(title: string, parts: readonly Part[]): Promise<void> {
    for (const message of messagesOf(title, parts)) {
      await this.#ask(
        () => this.#client.query(message.text),
        (failure) => message.placeOf(failure, this.#answers.completed),
      );
    }
  }

  async #ask<T>(send: () => Promise<T>, placeOf: (failure: Failure) => Place): Promise<T> {
    const { signal } = this.#setup;
    if (signal?.aborted) throw cancelled(signal);
    const cancel = new CancelOnAbort(signal, {
      cancel: () => this.#cancelStatement(),
      cut: () => this.#cut(),
    });
    this.#answers.begin();
    try {
      return await this.#watch.during(send);
    } catch (error) {
      throw await this.#typed(error, placeOf(readFailure(error)));
    } finally {
      await cancel.settled();
    }
  }

  /** Rolls back what is open, even after a cancel. */
  async rollback(): Promise<void> {
    // An error comes before the word that its transaction is still open; an answer to nothing comes after it.
    if (this.transactionStatus === "I") await this.#atLast("");
    if (this.transactionStatus !== "I") await this.cleanUp("ROLLBACK");
  }

  /** Runs clean-up SQL even after a cancel; a failure is of no consequence, because ending the session cleans up too. */
  async cleanUp(text: string): Promise<void> {
    await this.#atLast(text);
  }

  /** Runs bookkeeping of its own transaction, after a cancel too, if the connection still allows it. */
  async record(statement: string): Promise<void> {
    await this.rollback();
    const done = await this.#atLast(["BEGIN READ WRITE", ...ENGINE_SCOPE, statement, "COMMIT"].join("; "));
    if (!done) await this.rollback();
  }

  /** One of the last queries of a session: a server that does not answer must not keep the user waiting. */
  async #atLast(text: string): Promise<boolean> {
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

  #cut(): void {
    this.#lost = true;
    cutConnection(this.#client);
  }

  /**
   * What puts the session into the state in which every migration starts, whatever the one before did to it; it goes
   * before the migration's SQL. Fails with `LOCK_HELD` when that one has let the migration lock go.
   */
  async entry(): Promise<readonly Part[]> {
    if (this.#answers.standardStrings) return this.#entryParts();
    // The server would read all of a message with the setting that the one before has left.
    await this.enterMigration();
    return [];
  }

  /** Puts the session into that state. */
  async enterMigration(): Promise<void> {
    await this.runTogether("", this.#entryParts());
  }

  #entryParts(): readonly Part[] {
    return enterMigrationParts(this.#setup.options, this.#situation());
  }

  /** Puts the session back into the state in which the engine's own SQL runs. */
  async enterEngine(): Promise<void> {
    await this.run(enterEngineText(this.#setup.options, this.#situation()));
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

  /** The server's limit and our timer end at the same moment, and either may be first. */
  #isTimeUp(): boolean {
    const left = leftUntil(this.#setup.deadline);
    return left !== undefined && left < 100;
  }

  #situation(): Situation {
    return { leftMs: leftUntil(this.#setup.deadline), readOnly: this.#readOnly, known: this.#known };
  }

  async end(): Promise<void> {
    await this.#watch.end();
    await endClient(this.#client);
  }

  async #typed(error: unknown, { text, position, meaning }: Place): Promise<MigrationError> {
    const { signal, connection } = this.#setup;
    const failure = readFailure(error);
    if (!(await this.#survived(failure))) this.#lost = true;
    if (signal?.aborted) return cancelled(signal, error);
    if (failure.code === QUERY_CANCELED && this.#isTimeUp()) return timeIsUp();
    if (this.#lost) {
      return new MigrationError(
        "CONNECTION",
        `the connection to ${connection.host}:${connection.port} was lost: ${failure.message}`,
        {
          statement: maskSecrets(text),
          cause: error,
          hint: "Run the command again: what was committed stays, nothing runs twice.",
        },
      );
    }
    const refusal = sqlError(error, { text, position }, this.#watch.blockers.map(describeSession));
    return meaning === undefined ? refusal : meaning(refusal);
  }

  /**
   * Whether the connection is still there after an error. Codes do not tell: any code can be raised by SQL, and the
   * severity is written in the language of the server.
   */
  async #survived({ fromServer, code = "" }: Failure): Promise<boolean> {
    if (!fromServer) return false;
    return /^(08|57P|25P03)/.test(code) ? this.#atLast("") : true;
  }

  /** Asks the server, over a second connection, to cancel; cuts the connection when that cannot be asked. */
  async #cancelStatement(): Promise<void> {
    try {
      const helper = await connectHelper(this.#setup);
      await helper.query("SELECT pg_catalog.pg_cancel_backend($1)", [this.pid]);
      await endClient(helper);
    } catch {
      this.#cut();
    }
  }
}

function majorOf(version: number): number {
  return Math.floor(version / 10_000);
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

/** SQLSTATE of a statement that was cancelled or ran into `statement_timeout`. */
const QUERY_CANCELED = "57014";

/** Milliseconds for the last queries of a session. */
const LAST_WORDS_MS = 3_000;
