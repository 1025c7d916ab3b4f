import { type CompletedMigration, type Direction, type ErrorDetails, MigrationError } from "../core/index.ts";
import type { RunContext } from "./context.ts";
import type { Planned } from "./plan.ts";
import { Retries } from "./retries.ts";

/** How a run treats one of its migrations. */
export type Perform = (run: RunContext, planned: Planned) => Promise<void>;

/**
 * Runs the planned migrations in the order given and commits. When a lock timeout or a deadlock stops a transaction,
 * the transaction is retried from its first migration, so that its locks are released meanwhile.
 * @throws MigrationError with what was kept in `applied` and what is left in `remaining`; the session is rolled back
 */
export async function runAll(
  run: RunContext,
  planned: readonly Planned[],
  perform: Perform,
): Promise<CompletedMigration[]> {
  const completed: CompletedMigration[] = [];
  const retries = new Retries(run);
  let reported = 0;
  let current: Planned | undefined;
  /** Only committed migrations are reported as finished: others may still be rolled back. */
  const reportFinished = (): void => {
    for (const done of completed.slice(reported, run.transactions.committed.length))
      run.observe({ type: "finished", ...done });
    reported = Math.max(reported, Math.min(completed.length, run.transactions.committed.length));
  };
  try {
    while (run.transactions.committed.length < planned.length) {
      try {
        for (current = planned[completed.length]; current; current = planned[completed.length]) {
          completed.push(await runOne(run, current, planned[completed.length + 1], perform));
          reportFinished();
        }
        await run.transactions.commit();
      } catch (error) {
        await run.transactions.rollback();
        completed.splice(run.transactions.committed.length);
        const next = planned[completed.length] ?? current;
        // Statements outside a transaction were already retried one by one.
        if (next === undefined || runsOutsideTransaction(next)) throw error;
        await retries.wait(error, next);
      } finally {
        reportFinished();
      }
    }
    return completed;
  } catch (error) {
    throw await failed(run, planned, current, error);
  }
}

function runsOutsideTransaction({ built }: Planned): boolean {
  return built.kind === "static" && !built.transactional;
}

async function runOne(
  run: RunContext,
  planned: Planned,
  next: Planned | undefined,
  perform: Perform,
): Promise<CompletedMigration> {
  const { name: migration, direction } = planned;
  run.observe({ type: "started", migration, direction });
  const startedAt = performance.now();
  const done = perform(run, planned);
  run.described.prepare(next);
  await done;
  return { migration, direction, durationMs: Math.round(performance.now() - startedAt) };
}

async function failed(
  { session, ledger, transactions, observe }: RunContext,
  planned: readonly Planned[],
  current: Planned | undefined,
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
  await session.record(ledger.recordFailure({ migration, action, state: "failed", errorCode: typed.code }));
  return typed.with({ migration, applied, ...undone, remaining, ...inDoubt });
}

/** What a run has changed that stays, and what it had still to do. A redo names each of its migrations twice. */
function outcomeOf(
  planned: readonly Planned[],
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
