import { inRunningOrder, type MigrationSource } from "../../core/index.ts";
import { irreversibleReason, runContained } from "../../migrator/index.ts";
import type { Catalog } from "../catalog/index.ts";
import { commandLine } from "../world.ts";
import { Bench, type BenchSetup } from "./bench.ts";
import { attempt, type Checked, checkMigration } from "./check.ts";
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
    const ok = migrations.every(({ status }) => status !== "failed" && status !== "unchecked");
    const durationMs = Math.round(performance.now() - startedAt);
    return { migrations, ok, durationMs, ...hintFor(migrations), ...run.kept() };
  } finally {
    await run.end();
  }
}

/** What was stopped because others use the server is run on one that is there for nothing else. */
function hintFor(migrations: readonly VerifiedMigration[]): Pick<VerifyReport, "hint"> {
  if (!migrations.some(({ status, reason }) => status === "unchecked" && reason !== undefined)) return {};
  return {
    hint: `Others use this server. ${commandLine("verify", "--local")} runs what was not checked on the embedded Postgres, and SHADOW_DATABASE_URL names a database on another server that is there for this.`,
  };
}

/** Goes from migration to migration; takes a fresh database when one has spoilt the present one. */
class Run {
  readonly #setup: VerifySetup;
  #bench: Bench;
  /** What the next migration starts from; undefined once there is no way to reach it. */
  #state: Catalog | undefined;
  readonly #tried: string[] = [];
  readonly #skipped = new Set<string>();

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

  async check(name: string, irreversible: string | undefined): Promise<VerifiedMigration> {
    const before = this.#state;
    if (before === undefined) return unchecked(name);
    const skipped = [...this.#skipped];
    const checked = await checkMigration(this.#bench, { name, irreversible, before, skipped });
    this.#tried.push(name);
    if (checked.skipped) this.#skipped.add(name);
    // One that does not even go up once is in the way of all after it.
    const isDeadEnd = checked.result.error?.step === "up";
    this.#state = isDeadEnd ? undefined : await this.#goOn(name, before, checked);
    return checked.result;
  }

  async #goOn(name: string, before: Catalog, { after, skipped }: Checked): Promise<Catalog | undefined> {
    if (after !== undefined) return after;
    // What was stopped in a transaction has left nothing; the engine refuses to pass over one that has.
    const isClean = skipped && (await attempt("up", () => this.#bench.skip(name))) === undefined;
    return isClean ? before : this.#startOver();
  }

  kept(): Pick<VerifyReport, "kept"> {
    const { host, port, database } = this.#bench.database.connection;
    return this.#setup.keep ? { kept: { host, port, database } } : {};
  }

  async end(): Promise<void> {
    if (this.#setup.keep) await this.#bench.keep();
    else await this.#bench.discard();
  }

  async #startOver(): Promise<Catalog | undefined> {
    await this.#bench.discard();
    this.#bench = await Bench.open(this.#setup);
    const failure = await attempt("up", async () => {
      for (const name of this.#stops()) {
        await (this.#skipped.has(name) ? this.#bench.skip(name) : this.#bench.up(name));
      }
    });
    return failure === undefined ? this.#bench.snapshot() : undefined;
  }

  /** What to go up to, one after the other: those that are skipped are on their own. */
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
