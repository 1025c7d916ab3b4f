import { randomBytes } from "node:crypto";
import type pg from "pg";
import { MigrationError } from "../core/index.ts";
import type { OnProgress, Session } from "../postgres/index.ts";
import {
  concernsTransaction,
  firstTransactionControl,
  mayLeaveResidue,
  oneLine,
  splitStatements,
} from "../sql/index.ts";
import { runBeside } from "./concurrent.ts";
import { type Fence, fenced } from "./fence.ts";
import type { MigrationQuery, RunQuery } from "./queries.ts";

export interface LiveDbHooks {
  /** Called before a query inside the migration's transaction. */
  readonly begin: () => Promise<void>;
  /** Called before a query of a migration that called `pgm.noTransaction()`. */
  readonly leaveTransaction: () => Promise<void>;
  readonly fence?: Fence | undefined;
  /** Is told how far a concurrent statement has come. */
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Runs the queries of `pgm.db` while a dynamic migration is rendered, in the transaction of the migration. Each has a
 * savepoint, because a migration may catch a failed query and continue. As under node-pg-migrate, the migration gets
 * the driver's error.
 */
export class LiveDb {
  readonly #session: Session;
  readonly #hooks: LiveDbHooks;
  readonly #typed = new WeakMap<object, MigrationError>();
  /** A random name, so that a savepoint of this name proves that the transaction is still the same. */
  readonly #savepoint = `cdk_pg_migrate_${randomBytes(8).toString("hex")}`;
  /** When the transaction began, which differs from one transaction to the next. */
  #transactionStart: string | undefined;
  #ended: MigrationError | undefined;
  #completed = 0;
  #mayHaveLeft = false;
  // Queries run one by one: they share the savepoint and the connection.
  #queue: Promise<unknown> = Promise.resolve();

  constructor(session: Session, hooks: LiveDbHooks) {
    this.#session = session;
    this.#hooks = hooks;
  }

  /** @param usesTransaction false once the migration has called `pgm.noTransaction()` */
  readonly run = (usesTransaction: () => boolean): RunQuery => {
    return (query) => {
      const next = this.#queue.then(() => this.#perform(usesTransaction(), query));
      this.#queue = next.catch(() => {});
      return next;
    };
  };

  /** Number of queries that succeeded. */
  get completed(): number {
    return this.#completed;
  }

  /** Whether queries may have changed the database for good. Inside a transaction they do once it is committed. */
  get mayHaveLeft(): boolean {
    return this.#completed > 0 || this.#mayHaveLeft;
  }

  /** The error for a migration that has ended its transaction: its work may be committed, without a record. */
  get endedTransaction(): MigrationError | undefined {
    return this.#ended;
  }

  /** The typed error for a driver's error that a query of the migration threw. */
  typedError(error: unknown): MigrationError | undefined {
    return typeof error === "object" && error !== null ? this.#typed.get(error) : undefined;
  }

  async #perform(inTransaction: boolean, query: MigrationQuery): Promise<pg.QueryResult> {
    if (this.#ended !== undefined) throw this.#ended;
    const { fence } = this.#hooks;
    if (inTransaction) refuseTransactionControl(query.text);
    fence?.inspect(query.text);
    if (!inTransaction) {
      await this.#hooks.leaveTransaction();
      return fenced(this.#session, fence, query.text, () => this.#outside(query));
    }
    await this.#hooks.begin();
    const result = await (concernsTransaction(query.text) ? this.#bare(query) : this.#inSavepoint(query));
    this.#completed += 1;
    return result;
  }

  async #outside(query: MigrationQuery): Promise<pg.QueryResult> {
    try {
      const { text } = query;
      const { onProgress } = this.#hooks;
      // Its code would have to run again to find out what it does next: nothing could go on from here.
      const beside = { text, onProgress, onDeadline: "fail" } as const;
      const result = await runBeside(this.#session, beside, (concurrent) =>
        this.#session.queryMigration(query, concurrent),
      );
      this.#completed += 1;
      return result;
    } catch (error) {
      if (!isCleanRefusal(error, query.text)) this.#mayHaveLeft = true;
      throw this.#asDriverError(error);
    }
  }

  async #inSavepoint(query: MigrationQuery): Promise<pg.QueryResult> {
    try {
      await this.#session.run(`SAVEPOINT ${this.#savepoint}`);
    } catch (error) {
      // SQL without a savepoint has failed, and the migration did not roll back to a savepoint that it made itself.
      throw this.#asDriverError(error);
    }
    try {
      const result = await this.#session.queryMigration(query);
      await this.#still(`RELEASE SAVEPOINT ${this.#savepoint}`);
      return result;
    } catch (error) {
      if (this.#ended !== undefined || !(error instanceof MigrationError)) throw error;
      if (error.code === "CANCELLED" || !this.#session.usable) throw error;
      await this.#still(`ROLLBACK TO SAVEPOINT ${this.#savepoint}; RELEASE SAVEPOINT ${this.#savepoint}`);
      throw this.#asDriverError(error);
    }
  }

  /** Runs without a savepoint, as under node-pg-migrate: after a failure the migration must roll back to its own one. */
  async #bare(query: MigrationQuery): Promise<pg.QueryResult> {
    // SET TRANSACTION must come before any query.
    if (!/^\s*set\b/i.test(query.text)) this.#transactionStart ??= await this.#readStart();
    const answer = await this.#session.queryMigration(query).then(
      (result) => ({ result }),
      (error: unknown) => ({ error: this.#asDriverError(error) }),
    );
    if (
      this.#transactionStart !== undefined &&
      this.#session.usable &&
      this.#session.transactionStatus !== "E"
    ) {
      if ((await this.#readStart()) !== this.#transactionStart) throw this.#lost();
    }
    if ("error" in answer) throw answer.error;
    return answer.result;
  }

  async #readStart(): Promise<string | undefined> {
    const text = "SELECT EXTRACT(epoch FROM pg_catalog.transaction_timestamp()) AS start";
    const [row] = await this.#session.rows<{ start: string }>(text);
    return row?.start;
  }

  /** Fails when the transaction has ended, because the savepoint ended with it. */
  async #still(text: string): Promise<void> {
    try {
      await this.#session.run(text);
    } catch (error) {
      if (!this.#session.usable || !(error instanceof MigrationError) || error.code !== "SQL") throw error;
      throw this.#lost(error);
    }
  }

  #lost(cause?: MigrationError): MigrationError {
    this.#ended = new MigrationError(
      "MIGRATION",
      "a query through pgm.db has ended the migration's transaction",
      {
        hint: OUTSIDE,
        cause,
      },
    );
    return this.#ended;
  }

  #asDriverError(error: unknown): unknown {
    if (!(error instanceof MigrationError) || error.code === "CANCELLED" || !this.#session.usable)
      return error;
    const { cause } = error;
    if (typeof cause !== "object" || cause === null) return error;
    this.#typed.set(cause, error);
    return cause;
  }
}

function refuseTransactionControl(text: string): void {
  const control = firstTransactionControl(text);
  if (control === undefined) return;
  throw new MigrationError(
    "MIGRATION",
    `pgm.db cannot run ${oneLine(control, 40)} inside the migration's transaction`,
    { hint: OUTSIDE },
  );
}

const OUTSIDE = "Call pgm.noTransaction() first: then the migration is in charge of its transactions.";

/**
 * Whether SQL that failed outside a transaction has changed nothing: it is atomic, or the server refused it before it
 * began to run.
 */
export function isCleanRefusal(error: unknown, sql: string): boolean {
  if (!(error instanceof MigrationError)) return false;
  if (error.code !== "SQL" && error.code !== "LOCK_TIMEOUT") return false;
  if (splitStatements(sql).length > 1)
    return firstTransactionControl(sql) === undefined && !mayLeaveResidue(sql);
  return !mayLeaveResidue(sql) || isRefusedBeforeItRuns(error);
}

/**
 * Errors of syntax, names, rights and features are found before a statement begins to run. The same codes can come from
 * code that the statement calls; those have a context.
 */
function isRefusedBeforeItRuns({ details: { sqlstate = "", context } }: MigrationError): boolean {
  return context === undefined && /^(42|3F|3D|0A|25)/.test(sqlstate);
}
