import { given, MigrationError } from "../core/index.ts";
import type { OnProgress, Part } from "../postgres/index.ts";
import { isSessionSetting, oneLine, splitStatements } from "../sql/index.ts";
import type { CheckedBackfill } from "./backfill.ts";
import { BackfillRun } from "./backfill-run.ts";
import { restOf, runBeside } from "./concurrent.ts";
import { fenced } from "./fence.ts";
import { approvalNote } from "./history/runs.ts";
import type { HistoryEntry } from "./history/write.ts";
import { isCleanRefusal, LiveDb } from "./live-db.ts";
import type { RenderedSql } from "./node-pg-migrate.ts";
import type { PlannedMigration, Resumed } from "./plan.ts";
import { renderWithDatabase } from "./render.ts";
import { Retries } from "./retries.ts";
import { byHand, goOn, Whereabouts, withAdvice } from "./sql-failure.ts";
import { type Reached, StatementTrace } from "./statement-trace.ts";
import {
  endedTransaction,
  inEngineTransaction,
  isEndedTransaction,
  type MigrationMessage,
  type RunContext,
} from "./transactions.ts";

/** Runs one migration and records it. The caller rolls back on failure. */
export async function applyMigration(run: RunContext, planned: PlannedMigration): Promise<void> {
  const attempt = new Attempt(run, planned);
  const { rendered } = planned;
  if (rendered.kind === "static" && rendered.backfill !== undefined)
    return attempt.inBatches(rendered.backfill);
  if (rendered.kind === "static" && rendered.transactional)
    return attempt.inTransaction(rendered, await run.session.reset());
  await run.session.enterMigration();
  if (rendered.kind === "static" && planned.resumed !== undefined)
    return attempt.outsideTransaction(rendered);
  const sql = rendered.kind === "static" ? rendered : await attempt.render();
  await (sql.transactional ? attempt.inTransaction(sql) : attempt.outsideTransaction(sql));
}

/** Records a migration without running it. */
export async function recordMigration(run: RunContext, planned: PlannedMigration): Promise<void> {
  await new Attempt(run, planned).recordOnly();
}

/** One attempt to apply or undo one migration. */
export class Attempt {
  readonly #run: RunContext;
  readonly #planned: PlannedMigration;
  readonly #startedAt = performance.now();
  #isStartRecorded = false;
  readonly #trace: StatementTrace;
  /** Number of queries through `pgm.db` while the migration was rendered. They count as statements. */
  #queries = 0;

  constructor(run: RunContext, planned: PlannedMigration) {
    this.#run = run;
    this.#planned = planned;
    this.#trace = new StatementTrace(run, planned);
  }

  /** Renders a migration whose SQL depends on the database. */
  async render(): Promise<RenderedSql> {
    const { transactions, session } = this.#run;
    const live: LiveDb = new LiveDb(session, {
      fence: this.#run.fence,
      onProgress: this.#onProgress,
      begin: () => transactions.begin(),
      leaveTransaction: () => this.#recordStart(live.completed),
    });
    try {
      const rendered = await renderWithDatabase(this.#planned.code, this.#planned.direction, live.run);
      if (live.endedTransaction !== undefined) throw live.endedTransaction;
      this.#queries = live.completed;
      return rendered;
    } catch (error) {
      const cause = error instanceof MigrationError ? error.cause : error;
      const refused = live.typedError(cause);
      const typed = refused === undefined ? error : withAdvice(refused, undefined);
      if (live.endedTransaction !== undefined)
        throw await this.#recordEndedTransaction(live.endedTransaction);
      if (!this.#isStartRecorded) throw typed;
      throw await this.#recordPartial({ done: live.completed }, live.mayHaveLeft, typed);
    }
  }

  /** @param reset of the session, sent in the same message */
  async inTransaction(rendered: RenderedSql, reset: readonly Part[] = []): Promise<void> {
    for (const text of rendered.steps) this.#run.fence?.inspect(text);
    const where = new Whereabouts(this.#planned, rendered.steps, this.#queries);
    const steps = rendered.steps.map(
      (text, step): Part => ({ text, by: "migration", meaning: where.meaning(step) }),
    );
    const record = await this.#recordOf(this.#planned.direction, true);
    try {
      await this.#run.transactions.run({ ...this.#work(rendered.steps), reset, steps, record });
    } catch (error) {
      throw isEndedTransaction(error) ? await this.#recordEndedTransaction(error) : error;
    }
  }

  /** Runs a backfill, or goes on with it. */
  async inBatches(backfill: CheckedBackfill): Promise<void> {
    const prepared = await BackfillRun.prepare(this.#run, this.#planned, backfill);
    await prepared.toEnd(await this.#entry(false));
  }

  /** Records the migration without running its SQL. */
  async recordOnly(): Promise<void> {
    const [reset, record] = [await this.#run.session.reset(), await this.#recordOf("fake", true)];
    await this.#run.transactions.run({ ...this.#work([]), reset, steps: [], record });
  }

  #work(steps: readonly string[]): Pick<MigrationMessage, "name" | "title"> {
    const { name } = this.#planned;
    const sql = oneLine(steps.join("\n"), SHOWN_SQL);
    return { name, title: sql === "" ? name : `${name}: ${sql}` };
  }

  /**
   * Runs the migration statement by statement. Without a transaction a finished statement stays, so each is recorded at
   * once. Statements in a transaction that the migration opens itself are recorded when that transaction ends.
   * @param records statements of the engine for the transaction that records the end
   */
  async outsideTransaction(sql: RenderedSql, records: readonly string[] = []): Promise<void> {
    const { resumed } = this.#planned;
    for (const text of sql.steps) this.#run.fence?.inspect(text);
    const skip = resumed?.statement ?? 0;
    await this.#recordStart(skip);
    const where = new Whereabouts(this.#planned, sql.steps, this.#queries);
    const statements: SentStatement[] = sql.steps.flatMap((text, step) =>
      splitStatements(text).map((one) => ({ text: one.text, meaning: where.meaning(step, one.start) })),
    );
    const reached: Reached = { done: this.#queries + skip, total: this.#queries + statements.length };
    try {
      await this.#restoreSettings(statements.slice(0, skip));
      await this.#runStatements(statements, resumed ?? { statement: 0 }, reached);
    } catch (error) {
      if (this.#run.session.hasLeftStatement) throw this.#trace.leftRunning(error, reached);
      const { unrecorded } = reached;
      // In a resumed migration, the statement at which the earlier attempt stopped may have taken effect.
      const isClean = resumed === undefined && unrecorded !== undefined && isCleanRefusal(error, unrecorded);
      throw await this.#recordPartial(reached, reached.done > 0 || !isClean, error);
    }
    await this.#recordEnd(reached, records);
  }

  /** Settings of the session that finished statements of an earlier attempt have made, such as its search path. */
  async #restoreSettings(finished: readonly SentStatement[]): Promise<void> {
    for (const { text, meaning } of finished)
      if (isSessionSetting(text)) await this.#run.session.runMigration(text, meaning);
  }

  async #runStatements(
    statements: readonly SentStatement[],
    { statement: skip, interrupted }: Resumed,
    reached: Reached,
  ): Promise<void> {
    const { session, observe } = this.#run;
    const { name: migration } = this.#planned;
    for (const [index, { text, meaning }] of statements.entries()) {
      if (index < skip) continue;
      reached.unrecorded = text;
      const done = this.#queries + index;
      const isOpen = index === skip && interrupted !== undefined;
      const rest = isOpen ? await restOf(session, text, interrupted) : text;
      if (rest === undefined) observe({ type: "settled", migration, statement: done + 1 });
      else await this.#runStatement(rest, meaning, done);
      if (session.transactionStatus !== "I") continue;
      await this.#recordReached(done + 1);
      reached.done = done + 1;
      reached.unrecorded = undefined;
    }
    if (session.transactionStatus !== "I") throw endedTransaction(migration);
  }

  /** @param records statements of the engine for the same transaction */
  async #recordEnd(reached: Reached, records: readonly string[]): Promise<void> {
    const { session, writer, transactions } = this.#run;
    const { name, direction } = this.#planned;
    const end = { state: "finished", statement: reached.done, durationMs: this.#elapsed() } as const;
    try {
      await session.run(inEngineTransaction(writer.finish(name, direction, end), ...records));
    } catch (error) {
      if (session.usable) throw await this.#recordPartial(reached, true, error);
      transactions.markUnknown(name);
      throw error;
    }
    transactions.markCommitted(name);
  }

  async #runStatement(text: string, meaning: Part["meaning"], done: number): Promise<void> {
    const { session } = this.#run;
    const retries = new Retries(this.#run);
    const beside = { text, onProgress: this.#onProgress, onDeadline: await this.#trace.begin(text, done) };
    for (;;) {
      try {
        const run = () =>
          runBeside(session, beside, (concurrent) => session.runMigration(text, meaning, concurrent));
        return await fenced(session, this.#run.fence, text, run);
      } catch (error) {
        await retries.wait(error, this.#planned);
      }
    }
  }

  async #recordReached(done: number): Promise<void> {
    const { session, writer } = this.#run;
    const row = { state: "started", statement: done, ...this.#trace.erased } as const;
    await session.run(inEngineTransaction(writer.advance(this.#planned.name, row)));
    this.#trace.end();
  }

  readonly #onProgress: OnProgress = (progress) =>
    this.#run.observe({ type: "progress", migration: this.#planned.name, ...progress });

  async #recordOf(action: "up" | "down" | "fake", transactional: boolean): Promise<string> {
    const { writer } = this.#run;
    const entry = await this.#entry(transactional);
    const durationMs = { before: this.#elapsed() };
    const row = { ...entry, action, state: "finished", durationMs } as const;
    return this.#planned.direction === "up" ? writer.recordApplied(row) : writer.recordUnapplied(row);
  }

  async #entry(transactional: boolean): Promise<Pick<HistoryEntry, "migration"> & Partial<HistoryEntry>> {
    const { name, direction } = this.#planned;
    const file = direction === "down" ? { migration: name } : await this.#run.entries.of(this.#planned);
    return { ...file, ...noteOf(this.#planned, file), noTransaction: !transactional };
  }

  /** Records that the migration runs outside a transaction, and commits what it did in one before. */
  async #recordStart(done = 0): Promise<void> {
    const { session, writer, transactions } = this.#run;
    if (this.#isStartRecorded) return;
    const { name: migration, direction: action } = this.#planned;
    const entry = await this.#entry(false);
    const progress = this.#trace.adopted();
    const row = writer.record({
      ...entry,
      action,
      state: "started",
      statement: done,
      ...given({ progress }),
    });
    try {
      await transactions.commitWith(migration, row);
    } catch (error) {
      if (isEndedTransaction(error)) throw await this.#recordEndedTransaction(error);
      if (!session.usable) transactions.markUnknown(migration);
      throw error;
    }
    this.#isStartRecorded = true;
  }

  /**
   * Records that the migration is partial.
   * @param mayHaveLeft whether anything of the migration may have stayed in the database; false leaves it pending
   */
  async #recordPartial({ done, total }: Reached, mayHaveLeft: boolean, error: unknown): Promise<unknown> {
    const { session, writer } = this.#run;
    if (!(error instanceof MigrationError)) return error;
    const { name, direction } = this.#planned;
    const failure = { state: "failed", errorCode: error.code, durationMs: this.#elapsed() } as const;
    const change = { ...failure, ...this.#trace.erased };
    const reached = mayHaveLeft ? { statement: done } : {};
    await session.record(writer.advance(name, { ...change, ...reached }));
    if (!mayHaveLeft) return error;
    const stopped = error.with({ partial: done, ...given({ statements: total }) });
    return stopped.advised(
      direction === "up" && total !== undefined ? goOn(name, done) : byHand(name, direction),
    );
  }

  /** Records that the migration has ended its transaction: what it did may be committed, and has no record yet. */
  async #recordEndedTransaction(error: MigrationError): Promise<MigrationError> {
    const { session, writer, transactions } = this.#run;
    const { name: migration, direction: action } = this.#planned;
    await transactions.rollbackEndedBy(migration);
    const entry = { migration, action, noTransaction: true, errorCode: error.code } as const;
    await session.record(writer.record({ ...entry, state: "failed", statement: 0 }));
    return error.with({ migration, partial: 0 }).advised(byHand(migration, action));
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

/** The note of a baseline comes first: it is recognized by its beginning. */
function noteOf(
  { recordedAs, approvedPlan, note: word }: PlannedMigration,
  file: { readonly note?: string },
) {
  const approval = approvedPlan === undefined ? undefined : approvalNote(approvedPlan);
  const notes = [recordedAs ?? file.note, word, approval].filter((note) => note !== undefined);
  return notes.length === 0 ? {} : { note: notes.join("; ") };
}

type SentStatement = Pick<Part, "text" | "meaning">;

/** Characters of SQL in the title of a message. */
const SHOWN_SQL = 300;
