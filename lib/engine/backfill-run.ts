import { setTimeout as sleep } from "node:timers/promises";
import { Hint, MigrationError } from "../core/index.ts";
import { own, type Part, timeIsUp } from "../postgres/index.ts";
import { sqlDigest, withCondition } from "../sql/index.ts";
import type { CheckedBackfill } from "./backfill.ts";
import { type Checkpoint, progressOf, readCheckpoint, recordOf } from "./backfill-progress.ts";
import {
  type BackfillTable,
  betweenKeys,
  estimateRows,
  findBackfillTable,
  nextPage,
  type Page,
  readReplicaLag,
} from "./backfill-table.ts";
import type { Context } from "./context.ts";
import type { Existing } from "./history/tables.ts";
import type { HistoryEntry } from "./history/write.ts";
import type { PlannedMigration } from "./plan.ts";
import { Retries } from "./retries.ts";
import { ANY_BATCH, EXPLAIN, meaningOfExplain, Whereabouts } from "./sql-failure.ts";
import { inEngineTransaction, type RunContext } from "./transactions.ts";

/** Rows of the first batch: its time tells how large the next ones can be. */
const FIRST_SIZE = 500;
/** The longest that a batch waits for a row: it holds others meanwhile. */
const LONGEST_LOCK_WAIT_MS = 1_000;
/** How often progress is reported and replicas are looked at. */
const REPORT_EVERY_MS = 1_000;

/** One run of a backfill: batch after batch, each in its own transaction with the record of how far it came. */
export class BackfillRun {
  readonly #run: RunContext;
  readonly #planned: PlannedMigration;
  readonly #backfill: CheckedBackfill;
  readonly #table: BackfillTable;
  readonly #meaning: NonNullable<Part["meaning"]>;
  readonly #startedAt = performance.now();
  #checkpoint: Checkpoint;
  #reportedAt = this.#startedAt;
  #lagReadAt = 0;
  #longestMs = 0;
  #batches = 0;

  private constructor(
    run: RunContext,
    planned: PlannedMigration,
    backfill: CheckedBackfill,
    found: { readonly table: BackfillTable; readonly checkpoint: Checkpoint },
  ) {
    this.#run = run;
    this.#planned = planned;
    this.#backfill = backfill;
    this.#table = found.table;
    this.#checkpoint = found.checkpoint;
    this.#meaning = new Whereabouts(planned, [backfill.statement.text], 0).meaning(0);
  }

  /** Looks at the table and decides where to begin. @throws MigrationError before anything has run */
  static async prepare(
    run: RunContext,
    planned: PlannedMigration,
    backfill: CheckedBackfill,
  ): Promise<BackfillRun> {
    const { session, options } = run;
    run.fence?.inspect(backfill.statement.text);
    await session.enterMigration();
    const table = await findBackfillTable(session, options, planned.name, backfill);
    if (table === undefined)
      throw new MigrationError(
        "MIGRATION",
        `backfill ${planned.name} visits ${backfill.table}, which does not exist`,
        {
          migration: planned.name,
          hint: Hint.of`Is it in another schema than those of ${Hint.option("schema")}? Then write schema.name.`,
        },
      );
    const checkpoint = firstCheckpoint(run, planned, backfill, table);
    const prepared = new BackfillRun(run, planned, backfill, { table, checkpoint });
    await session.enterMigration();
    // An empty table would hide a mistake in the statement until there are rows.
    await session.runMigration(
      EXPLAIN + withCondition(backfill.statement, ANY_BATCH),
      meaningOfExplain(prepared.#meaning),
    );
    // Batches leave dead rows, which would count in a second estimate.
    if (checkpoint.key === null)
      prepared.#checkpoint = { ...checkpoint, total: await estimateRows(session, table) };
    return prepared;
  }

  /** Runs all batches and records the migration as applied. @param entry what the history keeps of it */
  async toEnd(entry: Pick<HistoryEntry, "migration"> & Partial<HistoryEntry>): Promise<void> {
    const { writer, transactions } = this.#run;
    const { name, direction: action } = this.#planned;
    const progress = recordOf(this.#checkpoint);
    const begun = writer.record({ ...entry, action, state: "started", progress });
    await transactions.commitWith(name, begun).catch((error: unknown) => {
      const lacksColumn = error instanceof MigrationError && error.details.sqlstate === "42703";
      throw lacksColumn ? withoutCheckpoints(name, HISTORY_IN_USE) : error;
    });
    try {
      while (await this.#batch());
    } catch (error) {
      throw await this.#stopped(error);
    }
    await this.#recordEnd();
  }

  /**
   * Runs the next batch; again with fewer rows after a lock timeout. The first batch that is not full is the last: an
   * application that inserts all the time would keep the backfill from its end.
   * @returns whether there may be more rows
   */
  async #batch(): Promise<boolean> {
    const { session } = this.#run;
    await this.#waitForReplicas();
    await this.#pause(this.#checkpoint.rows === 0 ? 0 : this.#backfill.limits.pauseMs);
    this.#requireTime(2 * this.#longestMs);
    const retries = new Retries(this.#run);
    for (let { size } = this.#checkpoint; ; size = Math.max(1, Math.floor(size / 2))) {
      const startedAt = performance.now();
      try {
        const page = await nextPage(session, this.#table, this.#checkpoint.key, size);
        if (page === undefined) return false;
        await this.#runBatch(page, startedAt);
        this.#report();
        return page.rows === size;
      } catch (error) {
        await session.rollback();
        await retries.wait(error, this.#planned);
        this.#addTime(performance.now() - startedAt);
      }
    }
  }

  async #runBatch({ rows, last }: Page, startedAt: number): Promise<void> {
    const { session, options, transactions, writer } = this.#run;
    const { name } = this.#planned;
    const { statement, alias, limits } = this.#backfill;
    const before = this.#checkpoint;
    const wait =
      options.lockTimeoutMs === 0
        ? LONGEST_LOCK_WAIT_MS
        : Math.min(options.lockTimeoutMs, LONGEST_LOCK_WAIT_MS);
    const condition = betweenKeys(this.#table, alias, before.key, last);
    const written = await session.runTogether(name, [
      own(`BEGIN READ WRITE; SET LOCAL lock_timeout = ${wait}`),
      { text: withCondition(statement, condition), by: "migration", meaning: this.#meaning },
    ]);
    const tookMs = Math.max(1, performance.now() - startedAt);
    const after: Checkpoint = {
      ...before,
      key: last,
      rows: before.rows + rows,
      written: before.written + written,
      size: nextSize(rows, tookMs, limits),
      ms: Math.round(before.ms + tookMs),
    };
    await transactions.commitBatch(
      name,
      writer.advance(name, { state: "started", progress: recordOf(after) }),
    );
    this.#checkpoint = after;
    this.#batches += 1;
    this.#longestMs = Math.max(this.#longestMs, performance.now() - startedAt);
  }

  async #waitForReplicas(): Promise<void> {
    const { session, signal } = this.#run;
    const { maxLagMs } = this.#backfill.limits;
    if (maxLagMs === 0 || performance.now() - this.#lagReadAt < REPORT_EVERY_MS) return;
    for (;;) {
      this.#lagReadAt = performance.now();
      const lagMs = await readReplicaLag(session);
      if (lagMs === null || lagMs <= maxLagMs) return;
      this.#report(`a replica that is ${Math.round(lagMs / 1000)} s behind`);
      await sleep(REPORT_EVERY_MS, undefined, { signal }).catch(() => {});
      this.#addTime(REPORT_EVERY_MS);
      this.#requireTime(REPORT_EVERY_MS);
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms === 0) return;
    await sleep(ms, undefined, { signal: this.#run.signal }).catch(() => {});
    this.#addTime(ms);
  }

  /** A batch that is cancelled at the deadline has worked for nothing. */
  #requireTime(neededMs: number): void {
    const left = this.#run.session.leftMs;
    if (left !== undefined && left < neededMs) throw timeIsUp();
  }

  #addTime(ms: number): void {
    this.#checkpoint = { ...this.#checkpoint, ms: Math.round(this.#checkpoint.ms + ms) };
  }

  #report(waitsFor?: string): void {
    if (performance.now() - this.#reportedAt < REPORT_EVERY_MS) return;
    this.#reportedAt = performance.now();
    const { name: migration } = this.#planned;
    const progress = progressOf(this.#checkpoint);
    this.#run.observe({ type: "backfill", migration, ...progress, waitsFor: waitsFor ?? null });
  }

  /** Records that the run has stopped. The migration stays pending: the next run goes on behind the last batch. */
  async #stopped(error: unknown): Promise<unknown> {
    if (!(error instanceof MigrationError)) return error;
    const { session, writer } = this.#run;
    const { name } = this.#planned;
    const change = { state: "failed", errorCode: error.code, durationMs: this.#elapsed() } as const;
    await session.record(writer.advance(name, change));
    const backfill = progressOf(this.#checkpoint);
    if (backfill.rows === 0) return error.with({ migration: name });
    const [rows, total] = [backfill.rows, backfill.total].map((number) => number.toLocaleString("en"));
    return error
      .with({ migration: name, backfill: { ...backfill, batches: this.#batches } })
      .advised(
        Hint.of`The backfill keeps what it has done, ${rows ?? ""} of about ${total ?? ""} rows; ${Hint.command("up")} goes on with it.`,
      );
  }

  async #recordEnd(): Promise<void> {
    const { session, writer, transactions } = this.#run;
    const { name, direction } = this.#planned;
    const progress = recordOf(this.#checkpoint);
    const end = { state: "finished", durationMs: this.#elapsed(), progress } as const;
    try {
      await session.run(inEngineTransaction(writer.finish(name, direction, end)));
    } catch (error) {
      if (session.usable) throw await this.#stopped(error);
      transactions.markUnknown(name);
      throw error;
    }
    transactions.markCommitted(name);
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

/** Grows or shrinks a batch towards the time that it should take, at most by the factor 2. */
function nextSize(rows: number, tookMs: number, { targetMs, batch }: CheckedBackfill["limits"]): number {
  const factor = Math.min(2, Math.max(0.5, targetMs / tookMs));
  return Math.max(1, Math.min(batch, Math.round(rows * factor)));
}

/** Where an earlier run has stopped, if that was with this statement and key; the beginning otherwise. */
function firstCheckpoint(
  { observe }: RunContext,
  { name, rendered, unfinished }: PlannedMigration,
  { limits }: CheckedBackfill,
  { key }: BackfillTable,
): Checkpoint {
  const columns = key.map((column) => column.name);
  const beginning = { columns, key: null, rows: 0, written: 0, total: 0, ms: 0 };
  const before = readCheckpoint(unfinished?.progress);
  if (unfinished === undefined || before === undefined)
    return { ...beginning, size: Math.min(limits.batch, FIRST_SIZE) };
  const isSame =
    rendered.kind === "static" &&
    sqlDigest(rendered.steps) === unfinished.sqlDigest &&
    before.columns.join() === columns.join();
  if (isSame) return { ...before, size: Math.max(1, Math.min(limits.batch, before.size)) };
  const message = `backfill ${name} begins again: its statement or key is another one than when it stopped`;
  if (before.rows > 0) observe({ type: "warning", message });
  return { ...beginning, size: Math.min(limits.batch, FIRST_SIZE) };
}

/**
 * Checks the keys of all backfills of a run, before any migration of it runs. A table that an earlier migration of the
 * run makes is checked when that has happened.
 * @throws MigrationError `MIGRATION`; `SQL` when the history lacks the column for checkpoints, and may not get it
 */
export async function requireKeys(
  { session, options, tables }: Context,
  { upgrade }: Existing,
  planned: readonly PlannedMigration[],
): Promise<void> {
  for (const { name, rendered, recordedAs } of planned) {
    const backfill = rendered.kind === "static" && recordedAs === undefined ? rendered.backfill : undefined;
    if (backfill === undefined) continue;
    const remedy = `Let its owner run: ALTER TABLE ${tables.history} ADD COLUMN progress jsonb;`;
    if (upgrade === "forbidden") throw withoutCheckpoints(name, remedy);
    await findBackfillTable(session, options, name, backfill);
  }
}

const HISTORY_IN_USE =
  "Another session reads it, such as a backup, so that it could not get the column: run again when that has ended.";

function withoutCheckpoints(migration: string, remedy: string): MigrationError {
  return new MigrationError("SQL", `backfill ${migration} has no place for its checkpoint`, {
    migration,
    hint: `The history has the shape of an earlier version. ${remedy}`,
  });
}
