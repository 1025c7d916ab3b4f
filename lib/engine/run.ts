import {
  type BackgroundStatement,
  type CompletedMigration,
  type Direction,
  type ErrorDetails,
  MigrationError,
} from "../core/index.ts";
import { applyMigration, recordMigration } from "./apply.ts";
import type { Context } from "./context.ts";
import type { HistoryWriter } from "./history/write.ts";
import { HistoryEntries } from "./history-entries.ts";
import type { PlannedMigration } from "./plan.ts";
import { Retries } from "./retries.ts";
import { type RunContext, Transactions } from "./transactions.ts";

/** Whether a run sends the SQL of its migrations, or only records them as done. */
export type RunMode = "execute" | "fake";

/** What a run has done. */
export interface PlanResult {
  readonly completed: readonly CompletedMigration[];
  /** The last statement of the plan, if time was up before it and the server goes on with it. */
  readonly background: BackgroundStatement | null;
}

/**
 * Runs the planned migrations in the order given and commits. A run whose last statement the server finishes alone has
 * succeeded: nobody has to do anything for it any more.
 * @throws MigrationError with what was committed in `applied` and what is left in `remaining`; the session is rolled back
 */
export async function runPlan(
  context: Context,
  writer: HistoryWriter,
  planned: readonly PlannedMigration[],
  mode: RunMode,
): Promise<PlanResult> {
  const run = openRun(context, writer);
  const progress = new Progress(run, planned, mode);
  const retries = new Retries(run);
  try {
    while (!progress.isCommitted) {
      try {
        while (progress.next !== undefined) await progress.runNext();
        await run.transactions.commit();
      } catch (error) {
        await run.transactions.rollback();
        progress.forgetRolledBack();
        // The transaction is retried from its first migration, so that its locks are released meanwhile.
        await retries.wait(error, progress.retryable(error));
      } finally {
        progress.reportCommitted();
      }
    }
    return { completed: progress.completed, background: null };
  } catch (error) {
    const background = progress.isLast ? lastStatementOf(error) : undefined;
    if (background !== undefined) return { completed: progress.completed, background };
    throw await failed(run, planned, progress.current, error);
  }
}

/** The statement that the server goes on with, if it is the last one of its migration. */
function lastStatementOf(error: unknown): BackgroundStatement | undefined {
  if (!(error instanceof MigrationError)) return undefined;
  const { background, migration, partial = 0, statements } = error.details;
  if (background === undefined || migration === undefined || partial + 1 !== statements) return undefined;
  return { ...background, migration, statement: statements };
}

export function openRun(
  { session, options, observe, signal, fence }: Context,
  writer: HistoryWriter,
): RunContext {
  const transactions = new Transactions(session, options.transaction, fence);
  return { session, writer, transactions, observe, options, signal, fence, entries: new HistoryEntries() };
}

/** How far a run has come with its migrations. */
class Progress {
  readonly completed: CompletedMigration[] = [];
  readonly #run: RunContext;
  readonly #planned: readonly PlannedMigration[];
  readonly #mode: RunMode;
  #reported = 0;
  /** The migration that runs, or ran last. */
  current: PlannedMigration | undefined;

  constructor(run: RunContext, planned: readonly PlannedMigration[], mode: RunMode) {
    this.#run = run;
    this.#planned = planned;
    this.#mode = mode;
  }

  get next(): PlannedMigration | undefined {
    return this.#planned[this.completed.length];
  }

  /** Whether the next migration is the last one. */
  get isLast(): boolean {
    return this.completed.length + 1 === this.#planned.length;
  }

  get isCommitted(): boolean {
    return this.#run.transactions.committed.length >= this.#planned.length;
  }

  async runNext(): Promise<void> {
    const { next } = this;
    if (next === undefined) return;
    this.current = next;
    const { name: migration, direction } = next;
    const place = { number: this.completed.length + 1, total: this.#planned.length };
    this.#run.observe({ type: "started", migration, direction, ...place });
    const startedAt = performance.now();
    const work = this.#isRecordOnly(next)
      ? recordMigration(this.#run, next)
      : applyMigration(this.#run, next);
    // The next one is prepared while the server works on this one.
    this.#run.entries.prepare(this.#planned[this.completed.length + 1]);
    await work;
    const recorded = next.recordedAs === undefined ? {} : ({ recorded: true } as const);
    const durationMs = Math.round(performance.now() - startedAt);
    this.completed.push({ migration, direction, durationMs, ...recorded });
    this.reportCommitted();
  }

  /** Reports migrations as finished once they are committed: others may still be rolled back. */
  reportCommitted(): void {
    const committed = this.completed.slice(this.#reported, this.#run.transactions.committed.length);
    const total = this.#planned.length;
    for (const done of committed) {
      const recorded = this.#isRecordOnly(this.#planned[this.#reported]) ? { recorded: true } : {};
      this.#reported += 1;
      this.#run.observe({ type: "finished", ...done, ...recorded, number: this.#reported, total });
    }
  }

  #isRecordOnly(planned: PlannedMigration | undefined): boolean {
    return this.#mode === "fake" || planned?.recordedAs !== undefined;
  }

  forgetRolledBack(): void {
    this.completed.splice(this.#run.transactions.committed.length);
  }

  /**
   * The migration from which a failed transaction can be retried.
   * @throws the error itself when there is none: statements outside a transaction were already retried one by one
   */
  retryable(error: unknown): PlannedMigration {
    const first = this.next ?? this.current;
    if (first === undefined || (first.rendered.kind === "static" && !first.rendered.transactional))
      throw error;
    return first;
  }
}

async function failed(
  { session, writer, transactions, observe }: RunContext,
  planned: readonly PlannedMigration[],
  current: PlannedMigration | undefined,
  error: unknown,
): Promise<MigrationError> {
  const typed =
    error instanceof MigrationError
      ? error
      : new MigrationError("MIGRATION", String(error), { cause: error });
  const { applied, undone, remaining } = outcomeOf(planned, transactions.committed.length);
  const inDoubt =
    transactions.commitOutcomeUnknown.size > 0 ? { inDoubt: [...transactions.commitOutcomeUnknown] } : {};
  if (current === undefined) return typed.with({ applied, ...undone, remaining });
  const { name: migration, direction: action } = current;
  observe({ type: "failed", migration, direction: action });
  await session.record(writer.recordFailure({ migration, action, state: "failed", errorCode: typed.code }));
  return typed.with({ migration, applied, ...undone, remaining, ...inDoubt });
}

/** What a run has changed that stays, and what it had still to do. A redo names each of its migrations twice. */
function outcomeOf(
  planned: readonly PlannedMigration[],
  kept: number,
): Required<Pick<ErrorDetails, "applied" | "remaining">> & { readonly undone: Pick<ErrorDetails, "undone"> } {
  const named = (direction: Direction) =>
    planned.slice(0, kept).flatMap((one) => (one.direction === direction ? [one.name] : []));
  const applied = named("up");
  const undone = named("down").filter((name) => !applied.includes(name));
  const remaining = [...new Set(planned.slice(kept).map(({ name }) => name))];
  const undoes = planned.some(({ direction }) => direction === "down");
  return { applied, undone: undoes ? { undone } : {}, remaining };
}
