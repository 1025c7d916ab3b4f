import pg from "pg";
import { type MigrationSource, Migrator, type MigratorOptions } from "../../migrator/index.ts";
import { TOOL } from "../../migrator/version.ts";
import { type Catalog, connectTo, readCatalog, typed } from "../catalog/index.ts";
import type { ScratchDatabase, ScratchProvider } from "./scratch.ts";

export interface BenchSetup {
  readonly scratch: ScratchProvider;
  readonly source: MigrationSource;
  readonly options?: MigratorOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A scratch database with the engine at work on it, and a second session that looks on. */
export class Bench {
  readonly database: ScratchDatabase;
  readonly #client: pg.Client;
  readonly #migrator: Migrator;
  readonly #options: MigratorOptions;

  private constructor(database: ScratchDatabase, client: pg.Client, setup: BenchSetup) {
    this.database = database;
    this.#client = client;
    this.#options = setup.options ?? {};
    this.#migrator = new Migrator({
      connection: database.connection,
      source: setup.source,
      provenance: { actor: "verify", origin: "cli", tool: TOOL },
      options: this.#options,
      ...(setup.signal === undefined ? {} : { signal: setup.signal }),
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
    return readCatalog(this.#client, { exclude: this.#options });
  }

  async up(to: string): Promise<void> {
    await this.#migrator.up({ to });
  }

  async down(): Promise<void> {
    await this.#migrator.down({ count: 1 });
  }

  /** Ends the session; the database stays. */
  async leave(): Promise<void> {
    await this.#client.end();
  }

  async discard(): Promise<void> {
    await this.leave();
    await this.database.drop();
  }

  /** Where migrations really run, these schemas exist already or are made by the engine: they are nobody's change. */
  async #createSchemas(): Promise<void> {
    const { schema = [], migrationsSchema = "public" } = this.#options;
    for (const name of new Set([...schema, migrationsSchema])) {
      if (name === "public") continue;
      const text = `CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(name)}`;
      await typed(`schema ${name} in the scratch database`, () => this.#client.query(text));
    }
  }
}
