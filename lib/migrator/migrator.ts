import { randomUUID } from "node:crypto";
import { planMigrations } from "./build/plan-migrations.ts";
import { Session } from "./connection/session.ts";
import type { ConnectionSettings } from "./connection/settings.ts";
import type { Observer } from "./events.ts";
import { type MigratorOptions, type Provenance, type ResolvedOptions, resolveOptions } from "./options.ts";
import { type Gate, gateDown, gateUp, requirePassage } from "./plan/gate.ts";
import { type Direction, type Extent, selectDown, selectUp } from "./plan/select.ts";
import type { PlanReport, RunReport, StatusReport } from "./report.ts";
import { createBatch } from "./run/batch.ts";
import { execute, executeFake } from "./run/execute.ts";
import { withMigrationLock } from "./run/lock.ts";
import type { Planned } from "./run/planned.ts";
import { previewMigrations } from "./run/preview.ts";
import { runAll } from "./run/run.ts";
import type { MigrationSource } from "./source.ts";
import { ensureTables, listTables, nameTables, type Tables } from "./store/tables.ts";
import { Ledger } from "./store/write.ts";
import { describeSurvey, headOf, knownNames, namesIn, type Survey, survey } from "./survey.ts";

export interface MigratorSetup {
  readonly connection: ConnectionSettings;
  readonly source: MigrationSource;
  readonly provenance: Provenance;
  readonly options?: MigratorOptions;
  /** Told what happens while it happens. */
  readonly observe?: Observer;
  /** Cancels the running statement; the run then ends rolled back and unlocked, with `CANCELLED`. */
  readonly signal?: AbortSignal;
}

/** How a run treats the SQL of its migrations: send it, or only record the migrations as done. */
export type Manner = "execute" | "fake";

/** What a run will do, decided with the lock held. */
interface Intent {
  readonly gate: Gate;
  readonly planned: readonly Planned[];
}

type Decide = (found: Survey) => Promise<Intent>;

/**
 * The engine: one database, one set of migrations. Every method opens a session of its own and ends it. Reads take
 * no lock; runs hold the migration lock of node-pg-migrate. All throw `MigrationError` and nothing else.
 */
export class Migrator {
  readonly #setup: MigratorSetup;
  readonly #options: ResolvedOptions;
  readonly #tables: Tables;
  readonly #observe: Observer;

  constructor(setup: MigratorSetup) {
    this.#setup = setup;
    this.#options = resolveOptions(setup.options ?? {});
    this.#tables = nameTables(this.#options);
    this.#observe = setup.observe ?? (() => {});
  }

  /** Every migration and its state. */
  async status(): Promise<StatusReport> {
    return this.#reading(async (_session, found) => ({
      ...describeSurvey(found),
      ...gateUp(found.classified, this.#options.order),
    }));
  }

  /** The SQL that `up` would send, without sending it. */
  async planUp(extent: Extent = {}): Promise<PlanReport> {
    return this.#reading(async (session, found) =>
      this.#preview(session, await this.#intendUp(found, extent)),
    );
  }

  /** The SQL that `down` would send, without sending it. */
  async planDown(extent: Extent = {}): Promise<PlanReport> {
    return this.#reading(async (session, found) =>
      this.#preview(session, await this.#intendDown(found, extent)),
    );
  }

  /** Applies pending migrations: all, the first `count`, or as far as `to`. */
  async up(extent: Extent = {}, manner: Manner = "execute"): Promise<RunReport> {
    return this.#session(async (session) => {
      const found = await this.#survey(session);
      const gate = gateUp(found.classified, this.#options.order);
      const names = selectUp(namesIn(found.classified, "pending"), knownNames(this.#setup.source), extent);
      if (names.length === 0 && gate.refusals.length === 0) return this.#nothingRun(found, gate);
      return this.#locked(session, manner, (current) => this.#intendUp(current, extent));
    });
  }

  /** Undoes the migration applied last, the last `count`, or all that were applied after `to`. */
  async down(extent: Extent = {}, manner: Manner = "execute"): Promise<RunReport> {
    return this.#session((session) =>
      this.#locked(session, manner, (found) => this.#intendDown(found, extent)),
    );
  }

  /** Undoes the last `count` migrations and applies the same again. */
  async redo(extent: Extent = {}): Promise<RunReport> {
    return this.#session((session) =>
      this.#locked(session, "execute", async (found) => {
        const { planned, gate } = await this.#intendDown(found, extent);
        const again = await this.#plan(planned.map(({ name }) => name).reverse(), "up");
        return { gate, planned: [...planned, ...again] };
      }),
    );
  }

  async #intendUp(found: Survey, extent: Extent): Promise<Intent> {
    const gate = gateUp(found.classified, this.#options.order);
    const names = selectUp(namesIn(found.classified, "pending"), knownNames(this.#setup.source), extent);
    return { gate, planned: await this.#plan(names, "up") };
  }

  async #intendDown(found: Survey, extent: Extent): Promise<Intent> {
    const applied = found.stored.applied.map((m) => m.name);
    return {
      gate: gateDown(found.classified),
      planned: await this.#plan(selectDown(applied, extent), "down"),
    };
  }

  #plan(names: readonly string[], direction: Direction): Promise<Planned[]> {
    const warn = (message: string) => this.#observe({ type: "warning", message });
    return planMigrations(this.#setup.source, names, direction, {
      decamelize: this.#options.decamelize,
      warn,
    });
  }

  async #preview(session: Session, { gate, planned }: Intent): Promise<PlanReport> {
    return { steps: await previewMigrations(session, planned), ...gate };
  }

  async #locked(session: Session, manner: Manner, decide: Decide): Promise<RunReport> {
    const { signal } = this.#setup;
    const lock = { waitMs: this.#options.lockWaitMs, observe: this.#observe, signal };
    return withMigrationLock(session, lock, async () => {
      const found = await this.#survey(session);
      const { gate, planned } = await decide(found);
      requirePassage(gate);
      if (planned.length === 0) return this.#nothingRun(found, gate);
      return this.#run(session, manner, { gate, planned }, found);
    });
  }

  async #run(session: Session, manner: Manner, { gate, planned }: Intent, found: Survey): Promise<RunReport> {
    await ensureTables(session, this.#tables, found.existing);
    const run = randomUUID();
    const ledger = new Ledger(this.#tables, this.#setup.provenance, run, found.stored.newestRunOn);
    const batch = createBatch(session, this.#options.transaction);
    const context = { session, ledger, batch, observe: this.#observe };
    const completed = await runAll(context, planned, manner === "fake" ? executeFake : execute);
    await session.restore();
    const after = await this.#survey(session);
    const pending = namesIn(after.classified, "pending");
    const tables = await listTables(session, this.#tables);
    return { run, completed, head: headOf(after), pending, tables, warnings: gate.warnings };
  }

  #nothingRun(found: Survey, { warnings }: Gate): RunReport {
    const pending = namesIn(found.classified, "pending");
    return { run: null, completed: [], head: headOf(found), pending, tables: null, warnings };
  }

  #survey(session: Session): Promise<Survey> {
    return survey(session, this.#setup.source, this.#tables, this.#options);
  }

  #reading<T>(work: (session: Session, found: Survey) => Promise<T>): Promise<T> {
    return this.#session(async (session) => {
      await session.makeReadOnly();
      return work(session, await this.#survey(session));
    });
  }

  async #session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { connection, signal } = this.#setup;
    const session = await Session.open({
      connection,
      options: this.#options,
      applicationName: this.#setup.provenance.tool,
      observe: this.#observe,
      signal,
    });
    try {
      return await work(session);
    } finally {
      await session.end();
    }
  }
}
