import type pg from "pg";
import { given, MigrationError, OLDEST_SERVER_MAJOR, type OnDeadline } from "../core/index.ts";
import { maskText } from "../sql/index.ts";
import { cancelled, leftUntil } from "./cancel.ts";
import { concurrentSettings, READ_SETTINGS, settingAll } from "./concurrent-settings.ts";
import { connect, cuttingOnAbort, endClient, type SessionOptions } from "./connect.ts";
import { type Concurrent, Connection } from "./connection.ts";
import { DiscardRowsQuery } from "./discard-rows-query.ts";
import { connectionError } from "./failure.ts";
import { messagesOf, own, type Part, placeIn } from "./message.ts";
import { announcedPid, isDirect, openClient, requireSessionPooling } from "./pooler.ts";
import { engineReset, LAST_STATE, migrationReset, type Situation, timeLimit } from "./session-reset.ts";
import {
  ENGINE_PATH,
  ENGINE_SCOPE,
  firstSettings,
  type SessionFacts,
  statementTimeout,
} from "./session-settings.ts";

/** The session of a run: all its SQL goes through one connection, one message at a time. */
export class Session {
  readonly pid: number;
  readonly serverMajor: number;
  readonly #connection: Connection;
  readonly #setup: SessionOptions;
  readonly #known: readonly string[];
  readonly #isPooled: boolean;
  #standardStrings = true;
  #readOnly = false;
  /** The limit of statements, as it was set last. */
  #statementTimeout = "";

  private constructor(client: pg.Client, setup: SessionOptions, facts: SessionFacts) {
    const { pid, version, known } = facts;
    this.#connection = new Connection(client, pid, setup);
    this.#setup = setup;
    this.#known = known ?? [];
    this.#isPooled = !isDirect(client, facts);
    this.pid = pid;
    this.serverMajor = majorOf(version);
    client.connection.on("parameterStatus", (status: ParameterStatus) => {
      if (status.parameterName === STANDARD_STRINGS) this.#standardStrings = status.parameterValue === "on";
    });
  }

  /**
   * Connects and sets up the session. Waits, within bounds, for a server that is starting.
   * @throws MigrationError with a connection code
   */
  static async open(setup: SessionOptions): Promise<Session> {
    const client = await connect(setup);
    try {
      const facts = await prepare(client, setup);
      if (majorOf(facts.version) < OLDEST_SERVER_MAJOR) throw tooOld(majorOf(facts.version));
      client.on("notice", ({ severity = "NOTICE", message = "" }) =>
        setup.observe({ type: "notice", severity, message: maskText(message) }),
      );
      return new Session(client, setup, facts);
    } catch (error) {
      await endClient(client);
      if (setup.signal?.aborted) throw cancelled(setup.signal, error);
      throw error instanceof MigrationError ? error : connectionError(error, setup.connection);
    }
  }

  /** False once the connection is lost. The server then rolls back and releases locks by itself. */
  get usable(): boolean {
    return this.#connection.usable;
  }

  /** `I`: no transaction is open; `T`: one is; `E`: one is, and has failed. */
  get transactionStatus(): "I" | "T" | "E" {
    return this.#connection.transactionStatus;
  }

  /**
   * Runs SQL of the engine (several statements in one text take one round trip). Its errors do not show the SQL, which
   * holds recorded SQL.
   * @throws MigrationError `SQL`, `CONNECTION` when the session is lost, `CANCELLED`
   */
  async run(text: string): Promise<void> {
    await this.#run(own(text));
  }

  /** As `run`, for SQL of a migration: errors show it. */
  async runMigration(text: string, meaning?: Part["meaning"], concurrent?: Concurrent): Promise<void> {
    await this.#run({ text, by: "migration", ...given({ meaning }) }, concurrent);
  }

  async #run(part: Part, concurrent?: Concurrent): Promise<void> {
    const query = new DiscardRowsQuery([part.text]);
    await this.#connection.ask(
      (client) => query.sendTo(client),
      (failure) => placeIn(part, failure, query.completed),
      concurrent,
    );
  }

  /** Runs one query of the engine and returns its rows. */
  async rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> {
    const { rows } = await this.#connection.ask(
      (client) => client.query<Row>(text, values),
      (failure) => placeIn(own(text), failure, undefined),
    );
    return rows;
  }

  /** Runs several statements of the engine as one message, and returns the rows of the last one. */
  async lastRows<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    const answer = await this.#connection.ask(
      (client) => client.query<Row>(text),
      (failure) => placeIn(own(text), failure, undefined),
    );
    // For several statements the driver returns a list of results.
    return [answer].flat().at(-1)?.rows ?? [];
  }

  /** Milliseconds until the deadline of the session, if it has one. */
  get leftMs(): number | undefined {
    return leftUntil(this.#setup.deadline);
  }

  /** Whether the deadline has ended the session, and left its last statement to the server. */
  get hasLeftStatement(): boolean {
    return this.#connection.hasLeftStatement;
  }

  /** Runs a concurrent statement of a migration in `work`, with the settings for it. */
  async concurrently<T>(onDeadline: OnDeadline, work: () => Promise<T>): Promise<T> {
    const { options } = this.#setup;
    const usual = { lockTimeout: String(options.lockTimeoutMs), statementTimeout: this.#statementTimeout };
    const found = await this.lastRows<{ name: string; setting: string }>(
      `SET LOCAL search_path = ${ENGINE_PATH}; ${READ_SETTINGS}`,
    );
    const now = new Map(found.flatMap(({ name, setting }) => (this.#canSet(name) ? [[name, setting]] : [])));
    const changes = concurrentSettings(now, usual, options, onDeadline);
    if (changes.size === 0) return work();
    await this.run(settingAll(changes));
    try {
      return await work();
    } finally {
      const before = new Map([...changes.keys()].map((name) => [name, now.get(name) ?? ""]));
      if (before.has("statement_timeout")) before.set("statement_timeout", this.#renewLimit());
      await this.cleanUp(settingAll(before));
    }
  }

  #canSet(name: string): boolean {
    return name !== "client_connection_check_interval" || this.#known.includes(name);
  }

  #renewLimit(): string {
    this.#statementTimeout = statementTimeout(this.#setup.options, leftUntil(this.#setup.deadline));
    return this.#statementTimeout;
  }

  /**
   * Limits the statements of the open transaction. No statement runs beyond the deadline all the same.
   * @param limits milliseconds, above 0
   */
  async limitTransaction(limits: {
    readonly lockTimeoutMs: number;
    readonly statementTimeoutMs: number;
  }): Promise<void> {
    const { lockTimeoutMs, statementTimeoutMs } = limits;
    const atMost = Math.min(statementTimeoutMs, leftUntil(this.#setup.deadline) ?? statementTimeoutMs);
    const inWhole = (ms: number) => Math.max(1, Math.ceil(ms));
    await this.run(
      `SET LOCAL lock_timeout = ${inWhole(lockTimeoutMs)}; SET LOCAL statement_timeout = ${inWhole(atMost)}`,
    );
  }

  /** Opens another connection to the same database, for queries about this session. End it with `closeClient`. */
  openBeside(signal: AbortSignal): Promise<pg.Client> {
    return openClient(this.#setup.connection, this.#setup.applicationName, signal);
  }

  /** Runs a query for a migration's `pgm.db`. */
  queryMigration<Row extends pg.QueryResultRow>(
    query: string | pg.QueryConfig,
    concurrent?: Concurrent,
    meaning?: Part["meaning"],
  ): Promise<pg.QueryResult<Row>> {
    const text = typeof query === "string" ? query : query.text;
    let completed = 0;
    const count = (): void => {
      completed += 1;
    };
    return this.#connection.ask(
      (client) => {
        client.connection.on("commandComplete", count);
        const answer = client.query<Row>(query);
        return answer.finally(() => client.connection.off("commandComplete", count));
      },
      (failure) => placeIn({ text, by: "migration", ...given({ meaning }) }, failure, completed),
      concurrent,
    );
  }

  /**
   * Runs parts as one message where that is possible. When a part fails, none after it runs.
   * @param title shown by `pg_stat_activity`
   * @returns how many rows the last statement has written, or returned
   */
  async runTogether(title: string, parts: readonly Part[]): Promise<number> {
    let rowCount = 0;
    for (const message of messagesOf(title, parts)) {
      const query = new DiscardRowsQuery(message.texts);
      await this.#connection.ask(
        (client) => query.sendTo(client),
        (failure) => message.placeOf(failure, query.completed),
      );
      rowCount = query.rowCount;
    }
    return rowCount;
  }

  /** Rolls back an open transaction, also after a cancel. */
  async rollback(): Promise<void> {
    // The driver reports an error before it knows the transaction status: an empty query waits for that.
    if (this.transactionStatus === "I") await this.#connection.askAtLast("");
    if (this.transactionStatus !== "I") await this.cleanUp("ROLLBACK");
  }

  /** Runs clean-up SQL, also after a cancel. Its failure is ignored, because the end of the session cleans up too. */
  async cleanUp(text: string): Promise<void> {
    await this.#connection.askAtLast(text);
  }

  /** Writes a record in a separate transaction, also after a cancel, if the connection is still usable. */
  async record(statement: string): Promise<void> {
    await this.rollback();
    const done = await this.#connection.askAtLast(
      ["BEGIN READ WRITE", ...ENGINE_SCOPE, statement, "COMMIT"].join("; "),
    );
    if (!done) await this.rollback();
  }

  /** The reset that goes before a migration's SQL in the same message; empty when the session is reset already. */
  async reset(): Promise<readonly Part[]> {
    if (this.#standardStrings) return [this.#migrationReset()];
    // The server would read the whole message with the setting that the last migration has left.
    await this.enterMigration();
    return [];
  }

  /**
   * Fails a message that has run beyond the deadline: the server limits each of its statements, but not the sum, and this
   * process may be gone.
   */
  timeLimit(): readonly Part[] {
    return timeLimit(leftUntil(this.#setup.deadline));
  }

  /** Puts the session into the state in which every migration starts. */
  async enterMigration(): Promise<void> {
    await this.#run(this.#migrationReset());
  }

  #migrationReset(): Part {
    return migrationReset(this.#setup.options, { ...this.#situation(), pid: this.pid });
  }

  /** Puts the session back into the state for SQL of the engine. */
  async enterEngine(): Promise<void> {
    await this.run(engineReset(this.#setup.options, this.#situation()));
  }

  /** Makes the server refuse all later statements that write. */
  async makeReadOnly(): Promise<void> {
    this.#readOnly = true;
    await this.run("SET default_transaction_read_only = on");
  }

  #situation(): Situation {
    this.#renewLimit();
    return { leftMs: leftUntil(this.#setup.deadline), readOnly: this.#readOnly, known: this.#known };
  }

  /** Ends the session. The server connection of a pooler is reset, because another client may get it. */
  async end(): Promise<void> {
    if (this.transactionStatus !== "I") await this.cleanUp("ROLLBACK");
    if (this.#isPooled) await this.cleanUp(LAST_STATE);
    await this.#connection.end();
  }
}

/** Sets up a new connection. @throws MigrationError `POOLER` before anything is set */
async function prepare(client: pg.Client, setup: SessionOptions): Promise<SessionFacts> {
  const state = { searchPath: ENGINE_PATH, leftMs: leftUntil(setup.deadline), readOnly: false };
  const ask = async (onlyIn: number) => {
    const text = firstSettings(setup.options, state, onlyIn);
    const { rows } = await cuttingOnAbort(client, setup.signal, () => client.query<SessionFacts>(text));
    return rows[0] ?? { pid: 0, clientPort: null, version: "0", known: null };
  };
  const facts = await ask(announcedPid(client) ?? 0);
  if (facts.pid === announcedPid(client)) return facts;
  await requireSessionPooling(setup, client, facts.pid);
  return ask(facts.pid);
}

/** A changed setting, as the server reports it. */
interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** Whether a backslash in `'...'` is a backslash. */
const STANDARD_STRINGS = "standard_conforming_strings";

function majorOf(version: string): number {
  return Math.floor(Number(version) / 10_000);
}

function tooOld(major: number): MigrationError {
  return new MigrationError(
    "SERVER_UNSUPPORTED",
    `the server is Postgres ${major}; ${OLDEST_SERVER_MAJOR} or newer is needed`,
    { hint: "Upgrade the server, or name another one." },
  );
}
