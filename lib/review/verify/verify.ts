import { inRunningOrder, type MigrationSource } from "../../core/index.ts";
import { irreversibleReason, runContained } from "../../engine/index.ts";
import type { Catalog } from "../catalog/index.ts";
import {
  attempt,
  type CheckResult,
  checkMigration,
  type VerifiedMigration,
  type VerifyReport,
} from "./check.ts";
import { TrialDatabase, type TrialSetup } from "./trial-database.ts";

export interface VerifySetup extends TrialSetup {
  /** Keep the scratch database. @default false */
  readonly keep?: boolean;
  /** Called after each migration. */
  readonly onProgress?: (result: VerifiedMigration, done: number, total: number) => void;
}

/**
 * Runs every migration up, down and up again on a scratch database, and compares the catalogue after each step. It uses
 * the engine itself, so that the result holds for `up` and `down`.
 * @throws MigrationError if verify itself cannot run; failures of migrations are in the report
 */
export async function verifyMigrations(setup: VerifySetup): Promise<VerifyReport> {
  const startedAt = performance.now();
  const names = namesInOrder(setup.source);
  const reasons = await readReasons(setup.source, names);
  const run = await VerifyRun.start(setup);
  try {
    const migrations: VerifiedMigration[] = [];
    for (const name of names) {
      migrations.push(await run.check(name, reasons.get(name)));
      setup.onProgress?.(migrations.at(-1) ?? unchecked(name), migrations.length, names.length);
    }
    const ok = migrations.every(({ status }) => status !== "failed" && status !== "unchecked");
    const durationMs = Math.round(performance.now() - startedAt);
    return { migrations, ok, durationMs, ...run.kept() };
  } finally {
    await run.end();
  }
}

/** Checks one migration after the other. Replaces the database if a migration leaves it unusable. */
class VerifyRun {
  readonly #setup: VerifySetup;
  #trial: TrialDatabase;
  /** The state from which the next migration starts; undefined once it cannot be reached. */
  #state: Catalog | undefined;
  readonly #tried: string[] = [];
  readonly #skipped = new Set<string>();

  private constructor(setup: VerifySetup, trial: TrialDatabase, state: Catalog) {
    this.#setup = setup;
    this.#trial = trial;
    this.#state = state;
  }

  static async start(setup: VerifySetup): Promise<VerifyRun> {
    const trial = await TrialDatabase.open(setup);
    try {
      return new VerifyRun(setup, trial, await trial.snapshot());
    } catch (error) {
      await trial.discard();
      throw error;
    }
  }

  async check(name: string, irreversible: string | undefined): Promise<VerifiedMigration> {
    const before = this.#state;
    if (before === undefined) return unchecked(name);
    const skipped = [...this.#skipped];
    const checked = await checkMigration(this.#trial, { name, irreversible, before, skipped });
    this.#tried.push(name);
    if (checked.skipped) this.#skipped.add(name);
    // If a migration cannot be applied, no later one can be checked.
    const isDeadEnd = checked.result.error?.step === "up";
    this.#state = isDeadEnd ? undefined : await this.#stateAfter(name, before, checked);
    return checked.result;
  }

  async #stateAfter(
    name: string,
    before: Catalog,
    { after, skipped }: CheckResult,
  ): Promise<Catalog | undefined> {
    if (after !== undefined) return after;
    // A migration stopped in its transaction changed nothing; otherwise the engine refuses to skip it.
    const isClean = skipped && (await attempt("up", () => this.#trial.skip(name))) === undefined;
    return isClean ? before : this.#startOver();
  }

  kept(): Pick<VerifyReport, "kept"> {
    const { host, port, database } = this.#trial.database.connection;
    return this.#setup.keep ? { kept: { host, port, database } } : {};
  }

  async end(): Promise<void> {
    if (this.#setup.keep) await this.#trial.keep();
    else await this.#trial.discard();
  }

  async #startOver(): Promise<Catalog | undefined> {
    await this.#trial.discard();
    this.#trial = await TrialDatabase.open(this.#setup);
    const failure = await attempt("up", async () => {
      for (const name of this.#stops()) {
        await (this.#skipped.has(name) ? this.#trial.skip(name) : this.#trial.up(name));
      }
    });
    return failure === undefined ? this.#trial.snapshot() : undefined;
  }

  /** The targets of `up`, one after the other. Each skipped migration is a separate target. */
  #stops(): string[] {
    return this.#tried.filter((name, index) => {
      const next = this.#tried[index + 1];
      return next === undefined || this.#skipped.has(name) !== this.#skipped.has(next);
    });
  }
}

function namesInOrder({ entries }: MigrationSource): string[] {
  return inRunningOrder(entries, ({ fileName }) => fileName).map(({ name }) => name);
}

async function readReasons(source: MigrationSource, names: readonly string[]): Promise<Map<string, string>> {
  const loaded = await source.load(names, runContained);
  return new Map(
    [...loaded].flatMap(([name, migration]) => {
      const reason = irreversibleReason(migration);
      return reason === undefined ? [] : [[name, reason] as const];
    }),
  );
}

function unchecked(name: string): VerifiedMigration {
  return { name, status: "unchecked" };
}
