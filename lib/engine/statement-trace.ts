import { type BackgroundSession, given, Hint, MigrationError, type OnDeadline } from "../core/index.ts";
import { recordFor } from "./concurrent.ts";
import type { PlannedMigration } from "./plan.ts";
import { inEngineTransaction, type RunContext } from "./transactions.ts";

/** How far a migration without a transaction has come, in statements. */
export interface Reached {
  done: number;
  /** Undefined while the migration is rendered. */
  readonly total?: number;
  /** The statement that was started and is not recorded as done. */
  unrecorded?: string | undefined;
}

/**
 * What the history holds of a concurrent statement while it runs: another run needs it to find out what became of the
 * statement when this one has not seen its end.
 */
export class StatementTrace {
  readonly #run: RunContext;
  readonly #planned: PlannedMigration;
  #session: BackgroundSession | undefined;

  constructor(run: RunContext, planned: PlannedMigration) {
    this.#run = run;
    this.#planned = planned;
  }

  /**
   * Records a concurrent statement that is about to run.
   * @returns what may become of it at the deadline: without a record the server must not go on with it
   */
  async begin(text: string, done: number): Promise<OnDeadline> {
    const { session, options, fence, writer } = this.#run;
    const { name, direction } = this.#planned;
    if (options.onDeadline === "fail" || direction === "down" || fence !== undefined) return "fail";
    const record = await recordFor(session, text);
    if (record === undefined) return "fail";
    const row = { state: "started", statement: done, progress: { ...record } } as const;
    try {
      await session.run(inEngineTransaction(writer.advance(name, row)));
    } catch (error) {
      // A history of an earlier version that could not be upgraded.
      const lacksColumn = error instanceof MigrationError && error.details.sqlstate === UNDEFINED_COLUMN;
      if (!lacksColumn) throw error;
      await session.rollback();
      return "fail";
    }
    this.#session = record.session;
    return "background";
  }

  /** The record of the statement at which an earlier run has stopped: it must not be lost if this run is, too. */
  adopted(): Readonly<Record<string, unknown>> | undefined {
    const record = this.#planned.resumed?.interrupted;
    this.#session = record?.session;
    return record && { ...record };
  }

  /** The change that takes the record out of the history. Empty when there is none. */
  get erased(): { readonly progress?: null } {
    return this.#session === undefined ? {} : { progress: null };
  }

  /** Call when the record has been taken out of the history. */
  end(): void {
    this.#session = undefined;
  }

  /** The error for a run whose time is up while the server goes on with its statement. The record stays as it is. */
  leftRunning(error: unknown, { done, total }: Reached): unknown {
    const { name: migration } = this.#planned;
    const background = this.#session;
    if (!(error instanceof MigrationError) || background === undefined) return error;
    const statement = done + 1;
    this.#run.observe({ type: "left-running", migration, statement, ...background });
    const what = `statement ${statement} of ${migration}`;
    return new MigrationError("DEADLINE", `the time for this run is up; the server goes on with ${what}`, {
      hint: Hint.of`${Hint.command("status")} shows how far it is. Run again when it has ended: that run goes on from there. To stop it: SELECT pg_cancel_backend(${background.pid});`,
      ...given({ migration, partial: done, statements: total, background, cause: error.details.cause }),
    });
  }
}

const UNDEFINED_COLUMN = "42703";
