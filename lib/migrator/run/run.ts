import {
  type CompletedMigration,
  type Direction,
  type ErrorDetails,
  MigrationError,
} from "../../core/index.ts";
import type { RunContext } from "./context.ts";
import type { Planned } from "./planned.ts";
import { Retries } from "./retries.ts";
import { definitionsOf, runTogether, shareable } from "./together.ts";

/** How a run treats one of its migrations. */
export type Perform = (run: RunContext, planned: Planned) => Promise<void>;

export interface Execution {
  readonly perform: Perform;
  /** Whether migrations may share a transaction where each would have its own. */
  readonly mayShare: boolean;
}

/**
 * Runs the planned migrations in the order given and commits. Where a lock timeout or a deadlock stops a
 * transaction, it is tried again from its first migration: what it holds is let go meanwhile.
 * @throws MigrationError with what was kept in `applied` and what is left in `remaining`; the session is rolled back
 */
export async function runAll(
  run: RunContext,
  planned: readonly Planned[],
  { perform, mayShare }: Execution,
): Promise<CompletedMigration[]> {
  const rest = new Rest(run, planned, perform, mayShare);
  const retries = new Retries(run);
  try {
    while (run.batch.kept.length < planned.length) {
      try {
        while (rest.next !== undefined) await rest.advance();
        rest.tell();
        await run.batch.flush();
        rest.tell();
      } catch (error) {
        rest.tell();
        await run.batch.abandon();
        rest.goBack();
        const next = rest.next ?? rest.current;
        // Statements outside a transaction have been tried again one by one.
        if (next === undefined || runsOutsideTransaction(next)) throw error;
        await retries.wait(error, next);
      }
    }
    return rest.completed;
  } catch (error) {
    throw await failed(run, planned, rest.current, error);
  }
}

/** The migrations of a run, and how far it has come with them. */
class Rest {
  readonly completed: CompletedMigration[] = [];
  readonly #run: RunContext;
  readonly #planned: readonly Planned[];
  readonly #perform: Perform;
  #mayShare: boolean;
  #mayHaveRows = false;
  /** What comes next, where that is known. */
  #ahead: readonly Planned[] | undefined;
  #told = 0;
  /** Names of what has been told to have started, with its direction: a redo has both. */
  readonly #started = new Set<string>();
  /** The first of those that could not share a transaction: that it has started is told already. */
  #startedTogether: Planned | undefined;
  /** The one under way. */
  current: Planned | undefined;

  constructor(run: RunContext, planned: readonly Planned[], perform: Perform, mayShare: boolean) {
    this.#run = run;
    this.#planned = planned;
    this.#perform = perform;
    this.#mayShare = mayShare;
  }

  get next(): Planned | undefined {
    return this.#planned[this.completed.length];
  }

  /** Runs the next migration, or those that come next. */
  async advance(): Promise<void> {
    this.current = this.next;
    const group = this.#ahead ?? this.#shareable(this.completed.length);
    this.#ahead = undefined;
    if (group.length < 2) return this.#one();
    const after = this.completed.length + group.length;
    const done = await runTogether(this.#run, group, {
      running: () => {
        this.tell();
        this.#start(group[0]);
      },
      recording: () => {
        this.#ahead = this.#shareable(after);
      },
      reached: (count) => {
        this.current = group[Math.min(count, group.length - 1)];
      },
    });
    // One of them cannot be run so, or not at all: one by one each tells for itself.
    this.#mayShare = done !== undefined;
    if (done === undefined) {
      this.#ahead = undefined;
      this.#startedTogether = group[0];
    } else {
      this.completed.push(...done);
    }
  }

  #shareable(from: number): readonly Planned[] {
    const { migrationsTable: table } = this.#run.options;
    return this.#mayShare ? shareable(this.#planned, from, { table, mayHaveRows: this.#mayHaveRows }) : [];
  }

  async #one(): Promise<void> {
    if (this.current === undefined) return;
    if (this.#mayShare) this.#mayHaveRows ||= definitionsOf(this.current) === undefined;
    this.tell();
    if (this.current !== this.#startedTogether) this.#start(this.current);
    this.#startedTogether = undefined;
    const under = runOne(this.#run, this.current, this.#perform);
    this.#run.described.prepare(this.#planned[this.completed.length + 1]);
    this.completed.push(await under);
    this.tell();
  }

  #start(planned: Planned | undefined): void {
    if (planned === undefined) return;
    this.#started.add(`${planned.direction} ${planned.name}`);
    this.#run.observe({ type: "started", migration: planned.name, direction: planned.direction });
  }

  /** Tells of what was completed since it was last asked. That one of many has started is told with its end. */
  tell(): void {
    // What may still be rolled back with the rest of its transaction is not finished.
    const until = Math.max(this.#told, Math.min(this.completed.length, this.#run.batch.kept.length));
    for (const done of this.completed.slice(this.#told, until)) {
      const { migration, direction } = done;
      if (!this.#started.has(`${direction} ${migration}`))
        this.#run.observe({ type: "started", migration, direction });
      this.#run.observe({ type: "finished", ...done });
    }
    this.#told = until;
  }

  /** Forgets what was rolled back. */
  goBack(): void {
    this.completed.length = this.#run.batch.kept.length;
    this.#told = Math.min(this.#told, this.completed.length);
    this.#started.clear();
  }
}

function runsOutsideTransaction({ built }: Planned): boolean {
  return built.kind === "static" && !built.transactional;
}

async function runOne(run: RunContext, planned: Planned, perform: Perform): Promise<CompletedMigration> {
  const { name: migration, direction } = planned;
  const startedAt = performance.now();
  await perform(run, planned);
  return { migration, direction, durationMs: Math.round(performance.now() - startedAt) };
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
  const { applied, undone, remaining } = outcomeOf(planned, batch.kept.length);
  const inDoubt = batch.inDoubt.size > 0 ? { inDoubt: [...batch.inDoubt] } : {};
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
