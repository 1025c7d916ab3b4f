import pg from "pg";
import {
  MigrationError,
  type MigrationSource,
  type MigratorOptions,
  type Observer,
  TOOL,
} from "../../core/index.ts";
import { closeClient, Migrator, splitStatements } from "../../migrator/index.ts";
import { type Catalog, connectTo, ownTablesOf, readCatalog, withTypedErrors } from "../catalog/index.ts";
import { ScratchFence } from "./fence.ts";
import type { ScratchDatabase, ScratchProvider } from "./scratch.ts";

export interface BenchSetup {
  readonly scratch: ScratchProvider;
  readonly source: MigrationSource;
  readonly options?: MigratorOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what the engine does. */
  readonly observe?: Observer | undefined;
}

/** A scratch database with the engine at work on it, and a second session that looks on. */
export class Bench {
  readonly database: ScratchDatabase;
  readonly #client: pg.Client;
  readonly #migrator: Migrator;
  readonly #options: MigratorOptions;
  readonly #fence: ScratchFence | undefined;

  private constructor(database: ScratchDatabase, client: pg.Client, setup: BenchSetup) {
    this.database = database;
    this.#client = client;
    this.#options = setup.options ?? {};
    this.#fence = setup.scratch.fenced ? new ScratchFence() : undefined;
    this.#migrator = new Migrator({
      connection: database.connection,
      source: setup.source,
      provenance: { actor: "verify", origin: "cli", tool: TOOL },
      options: this.#options,
      ...(setup.signal === undefined ? {} : { signal: setup.signal }),
      ...(this.#fence === undefined ? {} : { fence: this.#fence }),
      ...(setup.observe === undefined ? {} : { observe: setup.observe }),
    });
  }

  static async open(setup: BenchSetup): Promise<Bench> {
    const database = await setup.scratch.create();
    try {
      const client = await connectTo(database.connection);
      const bench = new Bench(database, client, setup);
      await bench.#createSchemas();
      return bench;
    } catch (error) {
      await database.drop();
      throw error;
    }
  }

  snapshot(): Promise<Catalog> {
    return readCatalog(this.#client, { exclude: ownTablesOf(this.#options) });
  }

  async up(to: string): Promise<void> {
    await this.#insideFence(() => this.#migrator.up({ to }));
  }

  async down(): Promise<void> {
    await this.#insideFence(() => this.#migrator.down({ count: 1 }));
  }

  /** What somebody else did on the server at the same time does not stop each of several tries. */
  async #insideFence(run: () => Promise<unknown>): Promise<void> {
    for (let triesLeft = 5; ; triesLeft -= 1) {
      await this.#fence?.prepare(this.#client);
      try {
        await run();
        return;
      } catch (error) {
        const isWhole = error instanceof MigrationError && error.details.partial === undefined;
        if (triesLeft === 0 || !isWhole || !this.#fence?.mayBeOfOthers) throw error;
      }
    }
  }

  /** Why the last `up` or `down` was stopped; undefined when it stayed inside of the scratch database. */
  get refusal(): string | undefined {
    return this.#fence?.reason;
  }

  /** Takes migrations for applied without running them. */
  async skip(to: string): Promise<void> {
    await this.#migrator.up({ to }, "fake");
  }

  /** Whether undoing the migration applied last sends no statement at all. */
  async downIsEmpty(): Promise<boolean> {
    const { steps } = await this.#migrator.planDown({ count: 1 });
    return steps.every(({ sql }) => sql?.every((text) => splitStatements(text).length === 0));
  }

  /** Ends the session; the database stays. */
  async keep(): Promise<void> {
    await this.database.keep();
    await this.#leave();
  }

  async #leave(): Promise<void> {
    await closeClient(this.#client);
  }

  async discard(): Promise<void> {
    await this.#leave();
    await this.database.drop();
  }

  /** Where migrations really run, these schemas exist already or are made by the engine: they are nobody's change. */
  async #createSchemas(): Promise<void> {
    const { migrationsSchema = "public" } = ownTablesOf(this.#options);
    for (const name of new Set([...(this.#options.schema ?? []), migrationsSchema])) {
      if (name === "public") continue;
      const text = `CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(name)}`;
      await withTypedErrors(`schema ${name} in the scratch database`, () => this.#client.query(text));
    }
  }
}
