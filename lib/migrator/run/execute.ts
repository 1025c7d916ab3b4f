import { buildWithDatabase } from "../build/build.ts";
import { describeFile } from "../build/describe.ts";
import type { Session } from "../connection/session.ts";
import type { BuiltSteps } from "../engine.ts";
import { MigrationError } from "../errors.ts";
import type { Observer } from "../events.ts";
import type { ResolvedOptions } from "../options.ts";
import { mayLeaveResidue } from "../sql/classify.ts";
import { splitStatements } from "../sql/split.ts";
import type { HistoryEntry, Ledger } from "../store/write.ts";
import { type Batch, LEAVE_ROLE } from "./batch.ts";
import { dropInvalidIndex } from "./invalid-index.ts";
import { createLiveDb } from "./live-db.ts";
import type { Planned } from "./planned.ts";
import { Retries } from "./retries.ts";

export interface RunContext {
  readonly session: Session;
  readonly ledger: Ledger;
  readonly batch: Batch;
  readonly observe: Observer;
  readonly options: ResolvedOptions;
  readonly signal?: AbortSignal | undefined;
}

/** Runs one migration and records it. The caller rolls back on failure. */
export async function execute(run: RunContext, planned: Planned): Promise<void> {
  const attempt = new Attempt(run, planned);
  const built = planned.built.kind === "static" ? planned.built : await attempt.build();
  await (built.transactional ? attempt.inTransaction(built) : attempt.statementByStatement(built));
}

/** Records a migration without running it. */
export async function executeFake(run: RunContext, planned: Planned): Promise<void> {
  const attempt = new Attempt(run, planned);
  await run.batch.begin();
  await run.batch.complete(planned.name, await attempt.bookkeeping("fake", planned.built));
}

/** One try at one migration. */
export class Attempt {
  readonly #run: RunContext;
  readonly #planned: Planned;
  readonly #startedAt = performance.now();
  #noTransactionRecorded = false;

  constructor(run: RunContext, planned: Planned) {
    this.#run = run;
    this.#planned = planned;
  }

  /** Builds a migration whose SQL depends on the database. */
  async build(): Promise<BuiltSteps> {
    const { batch, session } = this.#run;
    const live = createLiveDb(session, {
      begin: () => batch.begin(),
      leaveTransaction: () => this.#startNoTransaction(),
    });
    try {
      return await buildWithDatabase(this.#planned.context, this.#planned.direction, live.db);
    } catch (error) {
      const cause = error instanceof MigrationError ? error.details.cause : error;
      throw live.typedError(cause) ?? error;
    }
  }

  async inTransaction(built: BuiltSteps): Promise<void> {
    const { batch, session } = this.#run;
    const { name, direction } = this.#planned;
    await batch.begin();
    for (const step of built.steps) await session.run(step);
    const bookkeeping = await this.bookkeeping(direction, built);
    await batch.complete(name, bookkeeping).catch((error: unknown) => {
      // The statement would be our bookkeeping; what fails here is a deferred constraint of the migration's data.
      throw error instanceof MigrationError ? withoutStatement(error) : error;
    });
  }

  /**
   * Outside a transaction what is done stays done, so each statement is recorded as soon as it is. The first `skip`
   * statements were finished by an earlier try.
   */
  async statementByStatement(built: BuiltSteps, skip = 0): Promise<void> {
    const { session, ledger, batch } = this.#run;
    const { name, direction } = this.#planned;
    await this.#startNoTransaction(skip);
    let done = skip;
    for (const { text } of built.steps.flatMap((step) => splitStatements(step)).slice(skip)) {
      await this.#runStatement(text).catch((error: unknown) => this.#stopHalfWay(done, text, error));
      done += 1;
      await session.run(ledger.advance(name, { state: "started", statement: done }));
    }
    const [mark] = await this.bookkeeping(direction, built);
    const finished = ledger.advance(name, {
      state: "finished",
      statement: done,
      durationMs: this.#elapsed(),
    });
    await session.run(["BEGIN", ...LEAVE_ROLE, mark, finished, "COMMIT"].join("; "));
    batch.keep(name);
  }

  async #runStatement(text: string): Promise<void> {
    const { session } = this.#run;
    const retries = new Retries(this.#run);
    for (;;) {
      try {
        await dropInvalidIndex(session, text);
        return await session.run(text);
      } catch (error) {
        await retries.wait(error, this.#planned);
      }
    }
  }

  /** The row for the table of applied migrations, then the one for the history. */
  async bookkeeping(action: "up" | "down" | "fake", built: BuiltSteps | Planned["built"]): Promise<string[]> {
    const { ledger } = this.#run;
    const { name, direction } = this.#planned;
    return [
      direction === "up" ? ledger.markApplied(name) : ledger.markUnapplied(name),
      ledger.record({
        ...(await this.#entry(built)),
        action,
        state: "finished",
        durationMs: this.#elapsed(),
      }),
    ];
  }

  async #entry(
    built: BuiltSteps | Planned["built"],
  ): Promise<Pick<HistoryEntry, "migration"> & Partial<HistoryEntry>> {
    const { name, direction, context, sourceDigest, built: planned } = this.#planned;
    const noTransaction = "transactional" in built && !built.transactional;
    if (direction === "down") return { migration: name, noTransaction };
    const steps = planned.kind === "static" ? planned.steps : undefined;
    return { ...(await describeFile(context, steps, sourceDigest)), noTransaction };
  }

  async #startNoTransaction(done = 0): Promise<void> {
    const { session, ledger, batch } = this.#run;
    await batch.flush();
    if (this.#noTransactionRecorded) return;
    this.#noTransactionRecorded = true;
    const entry = await this.#entry(this.#planned.built);
    const action = this.#planned.direction;
    await session.run(
      ledger.record({ ...entry, action, state: "started", statement: done, noTransaction: true }),
    );
  }

  async #stopHalfWay(done: number, text: string, error: unknown): Promise<never> {
    const { session, ledger } = this.#run;
    const errorCode = error instanceof MigrationError ? error.code : "SQL";
    const nothingLeft = done === 0 && !mayLeaveResidue(text);
    const reached = nothingLeft ? {} : { statement: done };
    await session.record(
      ledger.advance(this.#planned.name, {
        state: "failed",
        errorCode,
        durationMs: this.#elapsed(),
        ...reached,
      }),
    );
    throw error instanceof MigrationError && !nothingLeft ? error.with({ partial: done }) : error;
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

function withoutStatement(error: MigrationError): MigrationError {
  const { statement: _, position: __, ...details } = error.details;
  return new MigrationError(error.code, `at commit: ${error.message}`, details);
}
