import { fromSource, inRunningOrder, type MigrationSource } from "../../migrator/index.ts";
import type { Catalog } from "../catalog/index.ts";
import { Bench, type BenchSetup } from "./bench.ts";
import { attempt, type Checked, checkMigration } from "./check.ts";
import { reasonOf } from "./reason.ts";
import type { VerifiedMigration, VerifyReport } from "./report.ts";

export interface VerifySetup extends BenchSetup {
  /** Leave the scratch database for a look at it. @default false */
  readonly keep?: boolean;
  /** Told after each migration. */
  readonly onProgress?: (result: VerifiedMigration, done: number, total: number) => void;
}

/**
 * Proves on a scratch database that every migration can be undone: up, down, up again, the whole catalogue compared
 * after each. Runs the engine itself, so that what is proven is what `up` and `down` do.
 * @throws MigrationError when it cannot be tried at all; what a migration is at fault for is in the report
 */
export async function verifyMigrations(setup: VerifySetup): Promise<VerifyReport> {
  const startedAt = performance.now();
  const names = namesInOrder(setup.source);
  const reasons = await readReasons(setup.source, names);
  const run = await Run.start(setup);
  try {
    const migrations: VerifiedMigration[] = [];
    for (const name of names) {
      migrations.push(await run.check(name, reasons.get(name)));
      setup.onProgress?.(migrations.at(-1) ?? unchecked(name), migrations.length, names.length);
    }
    const ok = migrations.every(({ status }) => status === "reversible" || status === "irreversible");
    const durationMs = Math.round(performance.now() - startedAt);
    return { migrations, ok, durationMs, ...run.kept() };
  } finally {
    await run.end();
  }
}

/** Goes from migration to migration; takes a fresh database when one has spoilt the present one. */
class Run {
  readonly #setup: VerifySetup;
  #bench: Bench;
  /** What the next migration starts from; undefined once there is no way to reach it. */
  #state: Catalog | undefined;

  private constructor(setup: VerifySetup, bench: Bench, state: Catalog) {
    this.#setup = setup;
    this.#bench = bench;
    this.#state = state;
  }

  static async start(setup: VerifySetup): Promise<Run> {
    const bench = await Bench.open(setup);
    try {
      return new Run(setup, bench, await bench.snapshot());
    } catch (error) {
      await bench.discard();
      throw error;
    }
  }

  async check(name: string, reason: string | undefined): Promise<VerifiedMigration> {
    if (this.#state === undefined) return unchecked(name);
    const { result, after }: Checked = await checkMigration(this.#bench, name, reason, this.#state);
    // One that does not even go up once is in the way of all after it.
    const isDeadEnd = result.error?.step === "up";
    this.#state = after ?? (isDeadEnd ? undefined : await this.#startOver(name));
    return result;
  }

  kept(): Pick<VerifyReport, "kept"> {
    const { host, port, database } = this.#bench.database.connection;
    return this.#setup.keep ? { kept: { host, port, database } } : {};
  }

  async end(): Promise<void> {
    if (this.#setup.keep) await this.#bench.leave();
    else await this.#bench.discard();
  }

  async #startOver(name: string): Promise<Catalog | undefined> {
    await this.#bench.discard();
    this.#bench = await Bench.open(this.#setup);
    const failure = await attempt("up", () => this.#bench.up(name));
    return failure === undefined ? this.#bench.snapshot() : undefined;
  }
}

function namesInOrder({ entries }: MigrationSource): string[] {
  return inRunningOrder(entries, ({ fileName }) => fileName).map(({ name }) => name);
}

async function readReasons(source: MigrationSource, names: readonly string[]): Promise<Map<string, string>> {
  const loaded = await fromSource(() => source.load(names));
  return new Map(
    [...loaded].flatMap(([name, migration]) => {
      const reason = reasonOf(migration);
      return reason === undefined ? [] : [[name, reason] as const];
    }),
  );
}

function unchecked(name: string): VerifiedMigration {
  return { name, status: "unchecked" };
}
