import { type MeasuredMigration, type MeasureLimits, MigrationError } from "../../core/index.ts";
import { describeSession, type Part, type Session } from "../../postgres/index.ts";
import { splitStatements } from "../../sql/index.ts";
import type { Context } from "../context.ts";
import { LiveDb } from "../live-db.ts";
import type { RenderedSql } from "../node-pg-migrate.ts";
import type { PlannedMigration } from "../plan.ts";
import type { MigrationQuery, RunQuery } from "../queries.ts";
import { renderWithDatabase } from "../render.ts";
import { Retries } from "../retries.ts";
import { Whereabouts } from "../sql-failure.ts";
import { Clock, roundTrip } from "./clock.ts";
import { LastingEffects } from "./lasting-effects.ts";
import { type HeldLock, LockGuard, type Stop } from "./lock-guard.ts";
import { MeasuredRun, type Observation } from "./observation.ts";
import { readChangedRows, readHeldLocks, readRelations, readWalPosition } from "./relations.ts";
import { describeObservations } from "./report.ts";
import { asEngine } from "./savepoint.ts";
import { notReached, OUTSIDE_TRANSACTION, whyUnmeasurable } from "./unmeasurable.ts";

/**
 * Runs migrations in one transaction, each after those before it, reads what they lock and change, and rolls back. After a
 * lock timeout it starts again, as a run does. Call with the migration lock held.
 * @throws MigrationError `LOCK_TIMEOUT` after the last retry, and what ends every command; not for a migration that fails
 */
export async function measureMigrations(
  context: Context,
  planned: readonly PlannedMigration[],
  limits: MeasureLimits,
): Promise<MeasuredMigration[]> {
  const retries = new Retries(context);
  for (;;) {
    try {
      const observed = await observeAll(context, planned, limits);
      return await describeObservations(context, observed);
    } catch (error) {
      const name = error instanceof MigrationError ? error.details.migration : undefined;
      await retries.wait(error, { name: name ?? "" });
    }
  }
}

async function observeAll(
  { session, observe }: Context,
  planned: readonly PlannedMigration[],
  limits: MeasureLimits,
): Promise<Observation[]> {
  const clock = new Clock(await roundTrip(session));
  const guard = await LockGuard.open(session, limits, () => clock.now);
  try {
    await session.run("BEGIN");
    const rehearsal = new Rehearsal(session, guard, clock, limits);
    const observed: Observation[] = [];
    for (const [index, next] of planned.entries()) {
      const { name: migration } = next;
      observe({ type: "measuring", migration, number: index + 1, total: planned.length });
      observed.push(await rehearsal.observe(next, observed));
      observe({ type: "measured", migration });
    }
    return observed;
  } finally {
    await guard.end();
    await session.rollback();
    // A cancel request of the guard may have hit the first one.
    await session.rollback();
  }
}

const NOTHING_SEEN = { durationMs: 0, taken: [], sent: [], walBytes: null, omitted: [] } as const;

/** The migration cannot be measured, for this reason. */
class Unmeasurable extends Error {}

/** The transaction in which migrations are measured, one after the other. */
class Rehearsal {
  readonly #session: Session;
  readonly #guard: LockGuard;
  readonly #clock: Clock;
  readonly #limits: MeasureLimits;
  readonly #effects: LastingEffects;
  readonly #held = new Set<string>();
  /** The migration that was stopped: nothing more is measured. */
  #endedWith: string | undefined;

  constructor(session: Session, guard: LockGuard, clock: Clock, limits: MeasureLimits) {
    this.#session = session;
    this.#guard = guard;
    this.#clock = clock;
    this.#limits = limits;
    this.#effects = new LastingEffects(session, guard.client);
  }

  async observe(planned: PlannedMigration, before: readonly Observation[]): Promise<Observation> {
    const { name: migration } = planned;
    const last = before.at(-1);
    const unseen = { ...NOTHING_SEEN, migration, after: last?.after ?? [], rows: last?.rows ?? new Map() };
    const kind = whyUnmeasurable(planned);
    if (kind !== undefined) return { ...unseen, outcome: "left out", ...kind };
    if (this.#endedWith !== undefined) {
      const reason = notReached(this.#endedWith);
      return { ...unseen, outcome: "left out", reason, blocksNobody: false };
    }
    const run = new MeasuredRun(planned);
    this.#clock.reset();
    this.#guard.startMigration();
    const isComplete = before.every(({ outcome, omitted }) => outcome === "measured" && omitted.length === 0);
    try {
      return await this.#measure(run);
    } catch (error) {
      const end = await this.#endOf(error, run, isComplete);
      const { taken, sent, omitted } = run;
      return { ...unseen, ...end, blocksNobody: false, durationMs: this.#clock.now, taken, sent, omitted };
    }
  }

  async #measure(run: MeasuredRun): Promise<Observation> {
    const session = this.#session;
    const wal = await this.#readWal();
    await session.run(`SAVEPOINT ${MIGRATION}`);
    await session.enterMigration();
    await session.limitTransaction(this.#limits);
    const { rendered } = run.planned;
    const sql = rendered.kind === "static" ? rendered : await this.#render(run);
    if (!sql.transactional) throw new Unmeasurable(OUTSIDE_TRANSACTION);
    await this.#runStatements(run, sql);
    await this.#run(run, { text: "SET CONSTRAINTS ALL IMMEDIATE" }, () =>
      session.queryMigration({ text: "SET CONSTRAINTS ALL IMMEDIATE" }),
    );
    const after = await asEngine(session, () => readRelations(session, this.#heldOids()));
    const rows = await asEngine(session, () => readChangedRows(session));
    const walAfter = await this.#readWal();
    const walBytes = wal === null || walAfter === null ? null : walAfter - wal;
    const { taken, sent, omitted } = run;
    const seen = { taken, sent, omitted, after, rows, walBytes, durationMs: this.#clock.now };
    return { migration: run.planned.name, outcome: "measured", reason: null, blocksNobody: false, ...seen };
  }

  async #runStatements(run: MeasuredRun, { steps }: RenderedSql): Promise<void> {
    const where = new Whereabouts(run.planned, steps, run.statements);
    for (const [step, text] of steps.entries()) {
      for (const one of splitStatements(text)) {
        const meaning = where.meaning(step, one.start);
        if (!(await this.#mayRun(run, one))) continue;
        // As a single statement, the server refuses text that holds another one, such as a COMMIT.
        const single = { text: one.text, queryMode: "extended" };
        await this.#run(run, one, () => this.#session.queryMigration(single, undefined, meaning));
      }
    }
  }

  /** Renders a dynamic migration. Its queries run in the transaction. */
  async #render(run: MeasuredRun): Promise<RenderedSql> {
    const live = new LiveDb(this.#session, {
      begin: async () => {},
      leaveTransaction: () => Promise.reject(new Unmeasurable(OUTSIDE_TRANSACTION)),
    });
    let refused: unknown;
    const watched =
      (usesTransaction: () => boolean): RunQuery =>
      async (query) => {
        if (refused !== undefined) throw refused;
        try {
          if (!(await this.#mayRun(run, query))) throw new Unmeasurable(`its code needs ${run.lastOmitted}`);
          return await this.#run(run, query, () => live.run(usesTransaction)(query));
        } catch (error) {
          if (error instanceof Unmeasurable || this.#guard.stopped !== undefined) refused = error;
          throw error;
        }
      };
    try {
      const rendered = await renderWithDatabase(run.planned.code, run.planned.direction, watched);
      if (refused !== undefined) throw refused;
      return rendered;
    } catch (error) {
      if (refused !== undefined) throw refused;
      const cause = error instanceof MigrationError ? error.cause : error;
      throw live.endedTransaction ?? live.typedError(cause) ?? error;
    }
  }

  /** Whether a rollback undoes the statement. If not, it is left out. */
  async #mayRun(run: MeasuredRun, query: Pick<MigrationQuery, "text" | "values">): Promise<boolean> {
    const effect = await this.#effects.of(query);
    if (effect !== undefined) run.omit(effect);
    return effect === undefined;
  }

  /** Runs a statement and notes the locks that it has taken. */
  async #run<T>(run: MeasuredRun, { text }: Pick<Part, "text">, send: () => Promise<T>): Promise<T> {
    const sinceMs = this.#clock.now;
    run.start(text, sinceMs);
    const answer = await this.#clock.during(send);
    if (this.#guard.stopped !== undefined) throw new Unmeasurable();
    for (const lock of await asEngine(this.#session, () => readHeldLocks(this.#session)))
      this.#note(run, lock);
    if (this.#guard.stopped !== undefined) throw new Unmeasurable();
    return answer;
  }

  #note(run: MeasuredRun, lock: HeldLock): void {
    const key = `${lock.oid} ${lock.mode}`;
    if (this.#held.has(key)) return;
    this.#held.add(key);
    run.take(lock);
  }

  #heldOids(): number[] {
    return [...new Set([...this.#held].map((key) => Number.parseInt(key, 10)))];
  }

  /** How a migration ended that did not run to its end, and puts the transaction back to where it began. */
  async #endOf(
    error: unknown,
    run: MeasuredRun,
    isComplete: boolean,
  ): Promise<Pick<Observation, "outcome" | "reason">> {
    const stop = this.#guard.stopped;
    const session = this.#session;
    if (!session.usable || isEnd(error)) throw error;
    const isCancelled = error instanceof MigrationError && error.details.sqlstate === QUERY_CANCELED;
    if (stop !== undefined || isCancelled) {
      // The session cannot say any more what it held.
      for (const lock of this.#guard.locks) this.#note(run, lock);
      const reason = stop === undefined ? tooLong(this.#limits) : explain(stop);
      this.#endedWith = run.planned.name;
      return { outcome: "stopped", reason };
    }
    if (error instanceof Unmeasurable) {
      await session.run(`ROLLBACK TO SAVEPOINT ${MIGRATION}`);
      return { outcome: "left out", reason: error.message };
    }
    if (!(error instanceof MigrationError)) throw error;
    if (error.code === "LOCK_TIMEOUT") throw error.with({ migration: run.planned.name });
    await session.run(`ROLLBACK TO SAVEPOINT ${MIGRATION}`);
    const isOwn = isComplete && !ONLY_HERE.test(error.details.sqlstate ?? "");
    const at =
      error.details.statementNumber === undefined ? "" : `statement ${error.details.statementNumber}: `;
    return isOwn
      ? { outcome: "failed", reason: `it fails: ${at}${error.message}` }
      : {
          outcome: "left out",
          reason: `it fails, perhaps because not all before it is there or committed: ${at}${error.message}`,
        };
  }

  /** Null where the server does not tell. */
  async #readWal(): Promise<number | null> {
    try {
      return await asEngine(this.#session, () => readWalPosition(this.#session));
    } catch (error) {
      if (error instanceof MigrationError && error.code === "SQL") return null;
      throw error;
    }
  }
}

const MIGRATION = "cdk_pg_migrate_measured";
const QUERY_CANCELED = "57014";

/** Refused only because the migrations before it are not committed: a new value of an enum, a statement that must be first. */
const ONLY_HERE = /^(?:55P04|25001)$/;

/** What ends every command. */
function isEnd(error: unknown): boolean {
  return (
    error instanceof MigrationError &&
    ["CANCELLED", "DEADLINE", "CONNECTION", "LOCK_HELD", "POOLER"].includes(error.code)
  );
}

function tooLong({ statementTimeoutMs }: MeasureLimits): string {
  return `a statement ran for longer than ${statementTimeoutMs / 1_000} s`;
}

function explain(stop: Stop): string {
  switch (stop.kind) {
    case "waiting":
      return `another session waited too long for its locks: ${describeSession(stop.session)}`;
    case "budget":
      return "it held a lock for longer than the budget allows";
    case "unguarded":
      return "the connection that watches its locks was lost";
  }
}
