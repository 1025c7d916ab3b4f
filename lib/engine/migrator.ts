import {
  type Forecast,
  given,
  type HistoryFilter,
  type HistoryReport,
  MEASURE_DEFAULTS,
  type MeasureLimits,
  type MigrationSource,
  type MigratorOptions,
  type Observer,
  type PlanReport,
  type PreflightMode,
  type Provenance,
  type ResolvedOptions,
  type RunReport,
  requireStorable,
  resolveOptions,
  type SettleReport,
  type StatusReport,
} from "../core/index.ts";
import { type ConnectionSettings, Session, withDeadline } from "../postgres/index.ts";
import { readBackground } from "./background.ts";
import { checkUp } from "./checks.ts";
import type { Context } from "./context.ts";
import { findContractUses } from "./contract-uses.ts";
import { type DeployKnowledge, waitingContracts } from "./contracts.ts";
import { describeState, readState } from "./database-state.ts";
import { measureUp, previewDown, previewRedo, previewUp } from "./describe-plan.ts";
import type { Fence } from "./fence.ts";
import { readHistory } from "./history/runs.ts";
import { asReading, findTables, nameTables } from "./history/tables.ts";
import { findHolder } from "./lock.ts";
import { appliedNames, type DownOptions } from "./make-plan.ts";
import { selectPending, type UpOptions } from "./pending.ts";
import { type ForecastOptions, forecast } from "./preview.ts";
import { rename, repair } from "./repair.ts";
import { baseline, type Evidence, type Outcome, resolve } from "./resolve-baseline.ts";
import type { RunMode } from "./run.ts";
import { down, redo, up } from "./up-down-redo.ts";

export interface MigratorSetup {
  readonly connection: ConnectionSettings;
  readonly source: MigrationSource;
  readonly provenance: Provenance;
  readonly options?: MigratorOptions;
  /** Told what happens while it happens. */
  readonly observe?: Observer;
  /** Cancels the running statement; the run then ends rolled back and unlocked, with `CANCELLED`. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds since the epoch after which nothing is started; a statement that runs then is cancelled and rolled
   * back, and the run ends with `DEADLINE`. The option `onDeadline` is about concurrent ones. Default: no limit.
   */
  readonly deadline?: number;
  /** What a deploy knows of the releases before it: contracts wait for that. Default: this is no deploy. */
  readonly deploy?: DeployKnowledge;
  /** Keeps migrations inside of their database. Default: they may do what the user may. */
  readonly fence?: Fence;
}

/** Which migrations `down` and `redo` take, and what their pre-flight check does. */
export interface DownInput extends DownOptions {
  /** @default - the option of the same name */
  readonly preflight?: PreflightMode;
}

/** Which migrations `up` takes, its budget for locks, and what its pre-flight check does. */
export interface UpInput extends UpOptions {
  /** @default - the option of the same name */
  readonly preflight?: PreflightMode;
  /** Milliseconds. @default - the option of the same name */
  readonly maxLockMs?: number;
}

/**
 * The engine: one database, one set of migrations. Every method opens a session of its own and ends it. Reads take
 * no lock; runs hold the migration lock of their table of applied migrations. All throw `MigrationError` and nothing else.
 */
export class Migrator {
  readonly #setup: MigratorSetup;
  readonly #options: ResolvedOptions;

  /** @throws MigrationError `USAGE` for options that cannot be */
  constructor(setup: MigratorSetup) {
    this.#setup = setup;
    this.#options = resolveOptions(setup.options ?? {});
    // The revision is not checked here: reading it starts git, and only a run that writes needs it.
    const { actor, bundle, tool } = setup.provenance;
    for (const [what, text] of Object.entries({ actor, bundle, tool }))
      requireStorable(`the ${what} of the run`, text);
  }

  /** Every migration and its state, and the run that is under way. */
  status(): Promise<StatusReport> {
    return this.#reading(async (context) => {
      // It is read before the state: a run that ends in between then shows as applied, not as pending without a run.
      const running = (await findHolder(context))?.session ?? null;
      const state = await readState(context);
      const waiting = waitingContracts(context, state);
      const background = await readBackground(context.session, state, running);
      const described = describeState(state, waiting, background);
      const uses = await findContractUses(context, state.contracts);
      return { running, ...described, uses, ...checkUp(state, this.#options.order) };
    });
  }

  /** The SQL that `up` would send, without sending it. */
  planUp(options: UpOptions = {}): Promise<PlanReport> {
    return this.#reading((context) => previewUp(context, options));
  }

  /**
   * The SQL that `up` would send, and what it does when it runs in a transaction that is rolled back: which tables it
   * locks and for how long. Holds the migration lock meanwhile.
   */
  measureUp(options: UpOptions = {}, limits: Partial<MeasureLimits> = {}): Promise<PlanReport> {
    const { statementTimeoutMs, maxLockMs } = this.#options;
    const { lockTimeoutMs = MEASURE_DEFAULTS.lockTimeoutMs, ...others } = limits;
    const all = {
      ...given({ maxLockMs }),
      lockTimeoutMs,
      statementTimeoutMs: statementTimeoutMs || MEASURE_DEFAULTS.statementTimeoutMs,
      ...given(others),
    };
    return this.#session((context) => measureUp(context, options, all), { lockTimeoutMs });
  }

  /** The SQL that `down` would send, without sending it. */
  planDown(options: DownOptions = {}): Promise<PlanReport> {
    return this.#reading((context) => previewDown(context, options));
  }

  /** The SQL that `redo` would send, without sending it. */
  planRedo(options: DownOptions = {}): Promise<PlanReport> {
    return this.#reading((context) => previewRedo(context, options));
  }

  /** The names of what `up` would take, in running order. */
  selectUp(options: UpOptions = {}): Promise<readonly string[]> {
    return this.#reading(async (context) => selectPending(context, await readState(context), options).names);
  }

  /** The names of what `down` and `redo` would take, newest first. */
  selectDown(options: DownOptions = {}): Promise<readonly string[]> {
    return this.#reading(async (context) => appliedNames(context, await readState(context), options));
  }

  /** What the pending migrations would send, and how each would be undone. */
  forecast(options: ForecastOptions = {}): Promise<Forecast> {
    return this.#reading((context) => forecast(context, options));
  }

  /** What was done to this database, newest first. */
  history(filter: HistoryFilter = {}): Promise<HistoryReport> {
    return this.#reading(({ session, tables }) =>
      asReading(tables, async () => {
        const existing = await findTables(session, tables);
        return { entries: await readHistory(session, tables, existing, filter) };
      }),
    );
  }

  /** Applies pending migrations: all, the first `count`, or as far as `to`. */
  up({ maxLockMs, preflight, ...options }: UpInput = {}, mode: RunMode = "execute"): Promise<RunReport> {
    return this.#session((context) => up(context, options, mode), given({ maxLockMs, preflight }));
  }

  /** Undoes the migration applied last, the last `count`, all applied after `to`, or all that the last run applied. */
  down({ preflight, ...options }: DownInput = {}, mode: RunMode = "execute"): Promise<RunReport> {
    return this.#session((context) => down(context, options, mode), given({ preflight }));
  }

  /** Undoes as `down` does and applies the same migrations again, no others. */
  redo({ preflight, ...options }: DownInput = {}): Promise<RunReport> {
    return this.#session((context) => redo(context, options), given({ preflight }));
  }

  /** Accepts changed files as what was applied: the named ones, or all. The note says why. */
  repair(names: readonly string[] = [], note?: string): Promise<SettleReport> {
    return this.#session((context) => repair(context, names, note));
  }

  /** Records that the file of an applied migration has another name now. */
  rename(before: string, now: string, note?: string): Promise<SettleReport> {
    return this.#session((context) => rename(context, before, now, note));
  }

  /** Declares an existing database to be at a migration (absent: before the first), without running SQL. */
  baseline(to?: string, note?: string): Promise<SettleReport> {
    return this.#session((context) => baseline(context, given({ to }), note));
  }

  /** Declares that an existing database has exactly these migrations, in any order, without running SQL. */
  importApplied(names: readonly string[], evidence: Evidence, note?: string): Promise<SettleReport> {
    return this.#session((context) => baseline(context, { names, evidence }, note));
  }

  /** Settles a migration that stopped part-way. */
  resolve(name: string, outcome: Outcome, note?: string): Promise<SettleReport> {
    return this.#session((context) => resolve(context, name, outcome, note));
  }

  #reading<T>(work: (context: Context) => Promise<T>): Promise<T> {
    return this.#session(async (context) => {
      await context.session.makeReadOnly();
      return work(context);
    });
  }

  async #session<T>(work: (context: Context) => Promise<T>, own: Partial<ResolvedOptions> = {}): Promise<T> {
    const { connection, provenance, source, deadline, deploy, fence } = this.#setup;
    const options = { ...this.#options, ...own };
    const observe = tolerant(this.#setup.observe);
    const { signal, clear } = withDeadline(this.#setup.signal, deadline);
    try {
      const applicationName = provenance.tool;
      const session = await Session.open({ connection, options, applicationName, observe, signal, deadline });
      try {
        return await work({
          session,
          source,
          tables: nameTables(options),
          options,
          provenance,
          deploy,
          observe,
          signal,
          fence,
        });
      } finally {
        await session.end();
      }
    } finally {
      clear();
    }
  }
}

/** Display must never decide about a migration: what an observer throws is dropped. */
function tolerant(observe: Observer = () => {}): Observer {
  return (event) => {
    try {
      observe(event);
    } catch {
      // Nothing can be done about it.
    }
  };
}
