import { type Direction, MigrationError } from "../core/index.ts";
import type { Part } from "../postgres/index.ts";
import { oneLine, splitStatements } from "../sql/index.ts";
import { runBeside } from "./concurrent-index.ts";
import { fenced } from "./fence.ts";
import type { HistoryEntry } from "./history/write.ts";
import { isCleanRefusal, LiveDb } from "./live-db.ts";
import type { BuiltSteps } from "./node-pg-migrate.ts";
import type { PlannedMigration } from "./plan.ts";
import { buildWithDatabase } from "./render.ts";
import { Retries } from "./retries.ts";
import type { RunContext } from "./run-context.ts";
import { Whereabouts, withAdvice } from "./sql-failure.ts";
import {
  endedTransaction,
  inEngineTransaction,
  isEndedTransaction,
  type MigrationMessage,
} from "./transactions.ts";

/** Runs one migration and records it. The caller rolls back on failure. */
export async function applyMigration(run: RunContext, planned: PlannedMigration): Promise<void> {
  const attempt = new Attempt(run, planned);
  const { built } = planned;
  if (built.kind === "static" && built.transactional)
    return attempt.inTransaction(built, await run.session.reset());
  await run.session.enterMigration();
  if (built.kind === "static") return attempt.statementByStatement(built);
  const known = await attempt.build();
  await (known.transactional ? attempt.inTransaction(known) : attempt.statementByStatement(known));
}

/** Records a migration without running it. */
export async function recordMigration(run: RunContext, planned: PlannedMigration): Promise<void> {
  await new Attempt(run, planned).fake();
}

/** One try at one migration. */
export class Attempt {
  readonly #run: RunContext;
  readonly #planned: PlannedMigration;
  readonly #startedAt = performance.now();
  #noTransactionRecorded = false;
  /** Queries through `pgm.db` that were made while it was built. */
  #queries = 0;

  constructor(run: RunContext, planned: PlannedMigration) {
    this.#run = run;
    this.#planned = planned;
  }

  /** Builds a migration whose SQL depends on the database. */
  async build(): Promise<BuiltSteps> {
    const { transactions, session } = this.#run;
    const live: LiveDb = new LiveDb(session, {
      fence: this.#run.fence,
      begin: () => transactions.begin(),
      leaveTransaction: () => this.#startNoTransaction(live.completed),
    });
    try {
      const built = await buildWithDatabase(this.#planned.context, this.#planned.direction, live.run);
      if (live.endedTransaction !== undefined) throw live.endedTransaction;
      this.#queries = live.completed;
      return built;
    } catch (error) {
      const cause = error instanceof MigrationError ? error.cause : error;
      const refused = live.typedError(cause);
      const typed = refused === undefined ? error : withAdvice(refused, undefined);
      if (live.endedTransaction !== undefined) throw await this.#stopUnrecorded(live.endedTransaction);
      if (!this.#noTransactionRecorded) throw typed;
      throw await this.#stopHalfWay({ done: live.completed }, live.mayHaveLeft, typed);
    }
  }

  /** @param reset of the session, in the same message */
  async inTransaction(built: BuiltSteps, reset: readonly Part[] = []): Promise<void> {
    for (const text of built.steps) this.#run.fence?.inspect(text);
    const where = new Whereabouts(this.#planned, built.steps, this.#queries);
    const steps = built.steps.map(
      (text, step): Part => ({ text, by: "migration", meaning: where.meaning(step) }),
    );
    const record = await this.#bookkeeping(this.#planned.direction, true);
    try {
      await this.#run.transactions.run({ ...this.#work(built.steps), reset, steps, record });
    } catch (error) {
      throw isEndedTransaction(error) ? await this.#stopUnrecorded(error) : error;
    }
  }

  /** Only the record of it, no SQL. */
  async fake(): Promise<void> {
    const [reset, record] = [await this.#run.session.reset(), await this.#bookkeeping("fake", true)];
    await this.#run.transactions.run({ ...this.#work([]), reset, steps: [], record });
  }

  #work(steps: readonly string[]): Pick<MigrationMessage, "name" | "title"> {
    const { name } = this.#planned;
    const sql = oneLine(steps.join("\n"), SHOWN_SQL);
    return { name, title: sql === "" ? name : `${name}: ${sql}` };
  }

  /**
   * Outside a transaction what is done stays done, so each statement is recorded as soon as it is. A transaction that
   * the migration opens itself counts when it ends.
   * @param resumed how far an earlier try has come, and what is recorded together with the end
   */
  async statementByStatement(built: BuiltSteps, resumed?: Resumed): Promise<void> {
    const { session, ledger, transactions } = this.#run;
    const { name, direction } = this.#planned;
    const skip = resumed?.statement ?? 0;
    for (const text of built.steps) this.#run.fence?.inspect(text);
    await this.#startNoTransaction(skip);
    const where = new Whereabouts(this.#planned, built.steps, this.#queries);
    const statements = built.steps.flatMap((text, step) =>
      splitStatements(text).map((one) => ({ text: one.text, meaning: where.meaning(step, one.start) })),
    );
    let recorded = this.#queries + skip;
    let last: string | undefined;
    let finishing = false;
    try {
      for (const [index, { text, meaning }] of statements.entries()) {
        if (index < skip) continue;
        last = text;
        await this.#runStatement(text, meaning);
        if (session.transactionStatus !== "I") continue;
        const done = this.#queries + index + 1;
        await session.run(inEngineTransaction(ledger.advance(name, { state: "started", statement: done })));
        recorded = done;
        last = undefined;
      }
      if (session.transactionStatus !== "I") throw endedTransaction(name);
      const end = { state: "finished", statement: recorded, durationMs: this.#elapsed() } as const;
      finishing = true;
      await session.run(
        inEngineTransaction(ledger.finish(name, direction, end), ...(resumed?.records ?? [])),
      );
    } catch (error) {
      if (finishing && !session.usable) {
        transactions.markUnknown(name);
        throw error;
      }
      // Of a try before this one nobody knows whether the statement that it stopped at took effect.
      const clean = resumed === undefined && last !== undefined && isCleanRefusal(error, last);
      const total = this.#queries + statements.length;
      throw await this.#stopHalfWay({ done: recorded, total }, recorded > 0 || !clean, error);
    }
    transactions.markCommitted(name);
  }

  async #runStatement(text: string, meaning: Part["meaning"]): Promise<void> {
    const { session } = this.#run;
    const retries = new Retries(this.#run);
    for (;;) {
      try {
        const run = () => runBeside(session, text, () => session.runMigration(text, meaning));
        return await fenced(session, this.#run.fence, text, run);
      } catch (error) {
        await retries.wait(error, this.#planned);
      }
    }
  }

  async #bookkeeping(action: "up" | "down" | "fake", transactional: boolean): Promise<string> {
    const { ledger } = this.#run;
    const entry = await this.#entry(transactional);
    const durationMs = { before: this.#elapsed() };
    const row = { ...entry, action, state: "finished", durationMs } as const;
    return this.#planned.direction === "up" ? ledger.recordApplied(row) : ledger.recordUnapplied(row);
  }

  async #entry(transactional: boolean): Promise<Pick<HistoryEntry, "migration"> & Partial<HistoryEntry>> {
    const { name, direction } = this.#planned;
    const noTransaction = !transactional;
    if (direction === "down") return { migration: name, noTransaction };
    return { ...(await this.#run.entries.of(this.#planned)), noTransaction };
  }

  /** Records that the migration runs outside a transaction, together with what it did inside one before it said so. */
  async #startNoTransaction(done = 0): Promise<void> {
    const { session, ledger, transactions } = this.#run;
    if (this.#noTransactionRecorded) return;
    const { name: migration, direction: action } = this.#planned;
    const entry = await this.#entry(false);
    const row = ledger.record({ ...entry, action, state: "started", statement: done });
    try {
      await transactions.commitWith(migration, row);
    } catch (error) {
      if (isEndedTransaction(error)) throw await this.#stopUnrecorded(error);
      if (!session.usable) transactions.markUnknown(migration);
      throw error;
    }
    this.#noTransactionRecorded = true;
  }

  /** @param mayHaveLeft whether anything of the migration may be there; a lost connection tells nothing */
  async #stopHalfWay({ done, total }: Reached, mayHaveLeft: boolean, error: unknown): Promise<unknown> {
    const { session, ledger } = this.#run;
    if (!(error instanceof MigrationError)) return error;
    const { name, direction } = this.#planned;
    const change = { state: "failed", errorCode: error.code, durationMs: this.#elapsed() } as const;
    const reached = mayHaveLeft ? { statement: done } : {};
    await session.record(ledger.advance(name, { ...change, ...reached }));
    if (!mayHaveLeft) return error;
    const stopped = error.with({ partial: done, ...(total === undefined ? {} : { statements: total }) });
    return stopped.advised(
      direction === "up" && total !== undefined ? goOn(name, done) : byHand(name, direction),
    );
  }

  /** The transaction was ended under our feet: what the migration did may be committed, and has no record yet. */
  async #stopUnrecorded(error: MigrationError): Promise<MigrationError> {
    const { session, ledger, transactions } = this.#run;
    const { name: migration, direction: action } = this.#planned;
    await transactions.rollbackEndedBy(migration);
    const entry = { migration, action, noTransaction: true, errorCode: error.code } as const;
    await session.record(ledger.record({ ...entry, state: "failed", statement: 0 }));
    return error.with({ migration, partial: 0 }).advised(byHand(migration, action));
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

interface Reached {
  readonly done: number;
  /** Undefined when the database had not answered yet what they are. */
  readonly total?: number;
}

function goOn(name: string, done: number): string {
  const kept = done === 0 ? "" : "; the statements that are done must stay as they are in its file";
  return `When the cause is gone, \`resolve ${name} --retry\` goes on with statement ${done + 1}${kept}.`;
}

function byHand(name: string, direction: Direction): string {
  const outcomes = direction === "up" ? "--applied or --reverted" : "--reverted or --applied";
  return `Finish it by hand, or take back what it did; then \`resolve ${name}\` with ${outcomes}.`;
}

/** A migration that stopped half-way, taken up again. */
export interface Resumed {
  /** Number of statements that an earlier try has finished. */
  readonly statement: number;
  /** Statements of the engine's own for the transaction that records the end. */
  readonly records: readonly string[];
}

/** Of the SQL that a server shows to those who ask. */
const SHOWN_SQL = 300;
