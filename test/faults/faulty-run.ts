import { MigrationError, type MigratorOptions } from "../../lib/core/index.ts";
import type { Migrator, MigratorSetup } from "../../lib/engine/index.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { type Fate, type FaultyProxy, type Request, startProxy } from "./proxy.ts";
import { empty, stateOf } from "./state.ts";
import { TEN } from "./ten.ts";

/** What the fault is, given the request of the run that it is to hit. */
export type Fault = (request: Request) => Fate | Promise<Fate>;

export interface Hit {
  /** The request that was hit; undefined when the run had fewer. */
  readonly hit: Request | undefined;
  /** What the run failed with; undefined when it succeeded. */
  readonly error: unknown;
}

/** A database, a folder of ten migrations, and what an undisturbed run makes of them. */
export interface Stage {
  readonly db: TestDatabase;
  readonly dir: string;
  readonly undisturbed: unknown;
  /** The requests of an undisturbed run. */
  readonly requests: readonly Request[];
}

export async function setStage(): Promise<Stage> {
  const db = await createDatabase();
  const dir = writeFolder(TEN);
  const proxy = await startProxy(db.connection, () => "pass");
  try {
    await (await openMigrator(db, dir, {}, { connection: proxy.connection })).up();
    return { db, dir, undisturbed: await stateOf(db), requests: [...proxy.requests] };
  } finally {
    await proxy.close();
  }
}

/** Hits the n-th request of the run's own connection. */
export function hitting(n: number, fault: Fault): { decide: Fault; hit: () => Request | undefined } {
  let hit: Request | undefined;
  return {
    hit: () => hit,
    decide: (request) => {
      if (request.link !== 0 || request.n !== n) return "pass";
      hit = request;
      return fault(request);
    },
  };
}

/** Runs `up` on an empty database with the fault at the n-th request. */
export async function upWithFault(
  { db, dir }: Stage,
  n: number,
  fault: Fault,
  options: MigratorOptions = {},
): Promise<Hit> {
  await empty(db);
  const { decide, hit } = hitting(n, fault);
  const error = await throughProxy({ db, dir, decide, options }, (run) => run);
  return { hit: hit(), error };
}

interface Passage {
  readonly db: TestDatabase;
  readonly dir: string;
  readonly decide: Fault;
  readonly options?: MigratorOptions;
  readonly setup?: Partial<MigratorSetup>;
  /** @default - `up` */
  readonly work?: (migrator: Migrator) => Promise<unknown>;
}

/** Runs the engine through a proxy; `during` is given the run's end, which is its error if it has one. */
export async function throughProxy<T>(
  { db, dir, decide, options = {}, setup = {}, work = (migrator) => migrator.up() }: Passage,
  during: (run: Promise<unknown>, proxy: FaultyProxy) => Promise<T>,
): Promise<T> {
  const proxy = await startProxy(db.connection, decide);
  const migrator = await openMigrator(db, dir, options, { connection: proxy.connection, ...setup });
  const run = work(migrator).then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    return await during(run, proxy);
  } finally {
    await proxy.close();
    await run;
  }
}

export function typed(error: unknown): MigrationError {
  if (error instanceof MigrationError) return error;
  throw new Error(`no typed error: ${String(error)}`);
}
