import { MigrationError } from "../errors.ts";
import type { RunContext } from "./context.ts";
import type { execute, executeFake } from "./execute.ts";
import type { Planned } from "./planned.ts";
import { Retries } from "./retries.ts";

/** One migration of a run that was completed. */
export interface Completed {
  readonly migration: string;
  readonly direction: "up" | "down";
  readonly durationMs: number;
}

/**
 * Runs the planned migrations in the order given and commits. Where a lock timeout or a deadlock stops a
 * transaction, it is tried again from its first migration: what it holds is let go meanwhile.
 * @throws MigrationError with what was kept in `applied` and what is left in `remaining`; the session is rolled back
 */
export async function runAll(
  run: RunContext,
  planned: readonly Planned[],
  perform: typeof execute | typeof executeFake,
): Promise<Completed[]> {
  const completed: Completed[] = [];
  const retries = new Retries(run);
  let current: Planned | undefined;
  try {
    while (run.batch.kept.length < planned.length) {
      try {
        for (const next of planned.slice(completed.length)) {
          current = next;
          const under = runOne(run, next, perform);
          run.described.prepare(planned[completed.length + 1]);
          completed.push(await under);
        }
        await run.batch.flush();
      } catch (error) {
        await run.batch.abandon();
        completed.length = run.batch.kept.length;
        const next = planned[completed.length] ?? current;
        // Statements outside a transaction have been tried again one by one.
        if (next === undefined || runsOutsideTransaction(next)) throw error;
        await retries.wait(error, next);
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

async function runOne(run: RunContext, planned: Planned, perform: typeof execute): Promise<Completed> {
  const { name: migration, direction } = planned;
  const startedAt = performance.now();
  run.observe({ type: "started", migration, direction });
  await perform(run, planned);
  const durationMs = Math.round(performance.now() - startedAt);
  run.observe({ type: "finished", migration, direction, durationMs });
  return { migration, direction, durationMs };
}

async function failed(
  { session, ledger, batch, observe }: RunContext,
  planned: readonly Planned[],
  current: Planned | undefined,
  error: unknown,
): Promise<MigrationError> {
  const typed =
    error instanceof MigrationError
      ? error
      : new MigrationError("MIGRATION", String(error), { cause: error });
  const applied = [...batch.kept];
  const remaining = planned.slice(applied.length).map(({ name }) => name);
  if (current === undefined) return typed.with({ applied, remaining });
  const { name: migration, direction: action } = current;
  observe({ type: "failed", migration, direction: action });
  await session.record(ledger.recordFailure({ migration, action, state: "failed", errorCode: typed.code }));
  return typed.with({ migration, applied, remaining });
}
