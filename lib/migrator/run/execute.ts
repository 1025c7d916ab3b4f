import { buildWithDatabase } from "../build/build.ts";
import type { Part } from "../connection/message.ts";
import { ENGINE_SCOPE } from "../connection/prepare.ts";
import type { BuiltSteps } from "../engine.ts";
import { MigrationError } from "../errors.ts";
import { mayLeaveResidue } from "../sql/classify.ts";
import { oneLine } from "../sql/one-line.ts";
import { splitStatements } from "../sql/split.ts";
import type { HistoryEntry } from "../store/write.ts";
import { endedTransaction, type Work } from "./batch.ts";
import { contained } from "./contain.ts";
import type { RunContext } from "./context.ts";
import { dropInvalidIndex } from "./invalid-index.ts";
import { createLiveDb } from "./live-db.ts";
import type { Planned } from "./planned.ts";
import { Retries } from "./retries.ts";

/** Runs one migration and records it. The caller rolls back on failure. */
export async function execute(run: RunContext, planned: Planned): Promise<void> {
  const attempt = new Attempt(run, planned);
  const { built } = planned;
  if (built.kind === "static" && built.transactional)
    return attempt.inTransaction(built, await run.session.entry());
  await run.session.enterMigration();
  if (built.kind === "static") return attempt.statementByStatement(built);
  const known = await attempt.build();
  await (known.transactional ? attempt.inTransaction(known) : attempt.statementByStatement(known));
}

/** Records a migration without running it. */
export async function executeFake(run: RunContext, planned: Planned): Promise<void> {
  await new Attempt(run, planned).fake();
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
      containment: this.#run.containment,
      begin: () => batch.begin(),
      leaveTransaction: () => this.#startNoTransaction(),
    });
    try {
      const built = await buildWithDatabase(this.#planned.context, this.#planned.direction, live.db);
      await live.settled();
      return built;
    } catch (error) {
      const cause = error instanceof MigrationError ? error.cause : error;
      const typed = live.typedError(cause) ?? error;
      throw this.#noTransactionRecorded ? await this.#stopHalfWay(0, "", typed) : typed;
    }
  }

  /** @param entry what is still to be done before it in the same message */
  async inTransaction(built: BuiltSteps, entry: readonly Part[] = []): Promise<void> {
    for (const text of built.steps) this.#run.containment?.inspect(text);
    const steps = built.steps.map((text): Part => ({ text, by: "migration" }));
    const record = await this.#bookkeeping(this.#planned.direction, true);
    await this.#run.batch.perform({ ...this.#work(built.steps), entry, steps, record });
  }

  /** Only the record of it, no SQL. */
  async fake(): Promise<void> {
    const [entry, record] = [await this.#run.session.entry(), await this.#bookkeeping("fake", true)];
    await this.#run.batch.perform({ ...this.#work([]), entry, steps: [], record });
  }

  #work(steps: readonly string[]): Pick<Work, "name" | "title"> {
    const { name } = this.#planned;
    const sql = oneLine(steps.join("\n"), SHOWN_SQL);
    return { name, title: sql === "" ? name : `${name}: ${sql}` };
  }

  /**
   * Outside a transaction what is done stays done, so each statement is recorded as soon as it is. The first `skip`
   * statements were finished by an earlier try. A transaction that the migration opens itself counts when it ends.
   */
  async statementByStatement(built: BuiltSteps, skip = 0): Promise<void> {
    const { session, ledger, batch } = this.#run;
    const { name, direction } = this.#planned;
    for (const text of built.steps) this.#run.containment?.inspect(text);
    await this.#startNoTransaction(skip);
    const statements = built.steps.flatMap((step) => splitStatements(step));
    let recorded = skip;
    let last = "";
    try {
      for (const [index, { text }] of statements.entries()) {
        if (index < skip) continue;
        last = text;
        await this.#runStatement(text);
        if (session.transactionStatus !== "I") continue;
        await session.run(alone(ledger.advance(name, { state: "started", statement: index + 1 })));
        recorded = index + 1;
        last = "";
      }
      if (session.transactionStatus !== "I") throw endedTransaction(name);
      const end = { state: "finished", statement: recorded, durationMs: this.#elapsed() } as const;
      await session.run(alone(ledger.finish(name, direction, end)));
    } catch (error) {
      throw await this.#stopHalfWay(recorded, last, error);
    }
    batch.keep(name);
  }

  async #runStatement(text: string): Promise<void> {
    const { session } = this.#run;
    const retries = new Retries(this.#run);
    for (;;) {
      try {
        await dropInvalidIndex(session, text);
        return await contained(session, this.#run.containment, text, () => session.runMigration(text));
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
    return { ...(await this.#run.described.of(this.#planned)), noTransaction };
  }

  async #startNoTransaction(done = 0): Promise<void> {
    const { session, ledger, batch } = this.#run;
    await batch.flush();
    if (this.#noTransactionRecorded) return;
    const entry = await this.#entry(false);
    const action = this.#planned.direction;
    try {
      await session.run(alone(ledger.record({ ...entry, action, state: "started", statement: done })));
    } catch (error) {
      if (!session.usable) batch.doubt(this.#planned.name);
      throw error;
    }
    this.#noTransactionRecorded = true;
  }

  /** Only a clean refusal of the first statement leaves nothing behind; a lost connection tells nothing. */
  async #stopHalfWay(done: number, text: string, error: unknown): Promise<unknown> {
    const { session, ledger } = this.#run;
    if (!(error instanceof MigrationError)) return error;
    const clean = error.code === "SQL" || error.code === "LOCK_TIMEOUT";
    const nothingLeft = done === 0 && clean && text !== "" && !mayLeaveResidue(text);
    const change = { state: "failed", errorCode: error.code, durationMs: this.#elapsed() } as const;
    const reached = nothingLeft ? {} : { statement: done };
    await session.record(ledger.advance(this.#planned.name, { ...change, ...reached }));
    return nothingLeft ? error : error.with({ partial: done });
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

/** One statement of the engine's own in a transaction of its own. */
function alone(statement: string): string {
  return ["BEGIN READ WRITE", ...ENGINE_SCOPE, statement, "COMMIT"].join("; ");
}

/** Of the SQL that a server shows to those who ask. */
const SHOWN_SQL = 300;
