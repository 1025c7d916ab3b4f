import pg from "pg";
import {
  type Forecast,
  given,
  type MigrationSource,
  type MigratorOptions,
  type Observer,
  type PlanReport,
  type PlanStep,
  type StatusReport,
  TOOL,
} from "../../core/index.ts";
import { Migrator, maskedPlan } from "../../engine/index.ts";
import { closeClient } from "../../postgres/index.ts";
import { splitStatements } from "../../sql/index.ts";
import {
  type Catalog,
  type CatalogOptions,
  connectTo,
  ownTablesOf,
  readCatalog,
  readTables,
  type SchemaTable,
  withTypedErrors,
} from "../catalog/index.ts";
import { ScratchFence } from "./fence.ts";
import type { ScratchDatabase, ScratchProvider } from "./scratch.ts";

export interface TrialSetup {
  readonly scratch: ScratchProvider;
  readonly source: MigrationSource;
  readonly options?: MigratorOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Receives the events of the engine. */
  readonly observe?: Observer | undefined;
  /** SQL of the schema to begin with; the source then holds no migration that made it. @default - an empty database */
  readonly schema?: string | undefined;
}

/** A scratch database on which the engine runs migrations, and a second session that reads its catalogue. */
export class TrialDatabase {
  readonly database: ScratchDatabase;
  readonly #client: pg.Client;
  readonly #migrator: Migrator;
  readonly #setup: TrialSetup;
  readonly #options: MigratorOptions;
  readonly #fence: ScratchFence | undefined;

  private constructor(database: ScratchDatabase, client: pg.Client, setup: TrialSetup) {
    this.database = database;
    this.#client = client;
    this.#setup = setup;
    this.#options = setup.options ?? {};
    this.#fence = setup.scratch.fenced ? new ScratchFence() : undefined;
    this.#migrator = new Migrator({
      connection: database.connection,
      source: setup.source,
      provenance: { actor: "verify", origin: "cli", tool: TOOL },
      // Other sessions of its server have nothing to do with a scratch database.
      options: { ...this.#options, preflight: "off" },
      ...given({ signal: setup.signal }),
      ...(this.#fence === undefined ? {} : { fence: this.#fence }),
      ...given({ observe: setup.observe }),
    });
  }

  static async open(setup: TrialSetup): Promise<TrialDatabase> {
    const database = await setup.scratch.create();
    try {
      const client = await connectTo(database.connection);
      const trial = new TrialDatabase(database, client, setup);
      if (setup.schema !== undefined) await trial.#restore(setup.schema);
      await trial.#createSchemas();
      return trial;
    } catch (error) {
      await database.drop();
      throw error;
    }
  }

  /** The same database, for other migrations. */
  withSource(source: MigrationSource): TrialDatabase {
    return new TrialDatabase(this.database, this.#client, { ...this.#setup, source });
  }

  /** The state of every migration. */
  status(): Promise<StatusReport> {
    return this.#migrator.status();
  }

  snapshot(): Promise<Catalog> {
    return readCatalog(this.#client, { exclude: ownTablesOf(this.#options) });
  }

  /** The tables for an entity-relationship diagram. */
  tables(): Promise<SchemaTable[]> {
    return readTables(this.#client, { exclude: ownTablesOf(this.#options) });
  }

  /** What the migrations that have not run yet would send. */
  forecast(): Promise<Forecast> {
    return this.#migrator.forecast();
  }

  /** The plan of all of them. */
  plan(): Promise<PlanReport> {
    return this.#migrator.planUp();
  }

  /** What the first of them would send, with its secrets masked. */
  async planNext(): Promise<PlanStep | undefined> {
    return maskedPlan(await this.#migrator.planUp({ count: 1 })).steps[0];
  }

  /** Reads more than the catalogue, in the second session. */
  read<T>(work: (client: pg.Client, options: CatalogOptions) => Promise<T>): Promise<T> {
    return work(this.#client, { exclude: ownTablesOf(this.#options) });
  }

  async up(to: string): Promise<void> {
    await this.#insideFence(() => this.#migrator.up({ to }));
  }

  async down(): Promise<void> {
    await this.#insideFence(() => this.#migrator.down({ count: 1 }));
  }

  async #insideFence(run: () => Promise<unknown>): Promise<void> {
    await this.#fence?.prepare(this.#client);
    await run();
  }

  /** Why the last `up` or `down` was stopped; undefined if it changed only the scratch database. */
  get refusal(): string | undefined {
    return this.#fence?.reason;
  }

  /** Records migrations as applied without running them. */
  async skip(to: string): Promise<void> {
    await this.#migrator.up({ to }, "fake");
  }

  /** Whether the down of the last migration sends no statement. */
  async downIsEmpty(): Promise<boolean> {
    const { steps } = await this.#migrator.planDown({ count: 1 });
    return steps.every(({ sql }) => sql?.every((text) => splitStatements(text).length === 0));
  }

  /** Ends the session and keeps the database. */
  async keep(): Promise<void> {
    await this.database.keep();
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    await closeClient(this.#client);
  }

  async discard(): Promise<void> {
    await this.#disconnect();
    await this.database.drop();
  }

  /** Makes the schema, and declares that none of the migrations has made it. */
  async #restore(schema: string): Promise<void> {
    await withTypedErrors("the schema in the scratch database", async () => {
      await this.#client.query(schema);
      await this.#client.query("RESET ALL");
    });
    await this.#migrator.baseline();
  }

  /** The schemas that exist before the first migration runs, so that they are not reported as its changes. */
  async #createSchemas(): Promise<void> {
    const { migrationsSchema = "public" } = ownTablesOf(this.#options);
    for (const name of new Set([...(this.#options.schema ?? []), migrationsSchema])) {
      if (name === "public") continue;
      const text = `CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(name)}`;
      await withTypedErrors(`schema ${name} in the scratch database`, () => this.#client.query(text));
    }
  }
}
