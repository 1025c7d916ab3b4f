/**
 * The one file that knows node-pg-migrate. It is used for what it is best at, turning a migration's calls into
 * SQL; connections, locks, transactions and bookkeeping are ours. Every behaviour relied on here has a contract
 * test that compares with the library's own runner.
 */
import { types } from "node:util";
import { type ColumnDefinitions, MigrationBuilder } from "node-pg-migrate";
import type pg from "pg";

/** What a migration may export, already taken out of its module or SQL file. */
export interface Actions {
  readonly up: unknown;
  /** Absent: the reverse of `up` is inferred. `false`: declared irreversible. */
  readonly down: unknown;
  readonly shorthands: Shorthands;
}

export type Shorthands = ColumnDefinitions;

/** The database as a migration sees it through `pgm.db` while it is being built. */
export interface MigrationDb {
  query(query: string | pg.QueryConfig, values?: unknown[]): Promise<pg.QueryResult>;
}

export interface BuildRequest {
  readonly action: (...args: unknown[]) => unknown;
  /** Collect the reverse of each call in place of the call. */
  readonly mode: "direct" | "inferred";
  readonly shorthands: Shorthands;
  readonly decamelize: boolean;
  /** Makes the `pgm.db`; the function it is given tells whether the migration still wants a transaction. */
  readonly db: (usesTransaction: () => boolean) => MigrationDb;
  readonly warn: (message: string) => void;
}

export interface BuiltSteps {
  /** SQL texts in running order; one text may hold several statements. */
  readonly steps: readonly string[];
  readonly transactional: boolean;
}

/** Collects the SQL of one direction of one migration. Errors of the migration's own code pass through. */
export async function buildSteps(request: BuildRequest): Promise<BuiltSteps> {
  const { warn } = request;
  const logger = { debug: quiet, info: quiet, warn, error: warn };
  let usesTransaction = () => true;
  const db = request.db(() => usesTransaction());
  const connection = {
    query: (query: string | pg.QueryConfig, values?: unknown[]) => db.query(query, values),
    select: async (query: string | pg.QueryConfig, values?: unknown[]) =>
      (await db.query(query, values)).rows,
  };
  const pgm = new MigrationBuilder(connection, request.shorthands, request.decamelize, logger);
  usesTransaction = () => pgm.isUsingTransaction();
  if (request.mode === "inferred") pgm.enableReverseMode();
  await perform(request.action, pgm);
  return { steps: pgm.getSqlSteps(), transactional: pgm.isUsingTransaction() };
}

/** One for all: with functions of its own in each logger, V8 keeps every builder until a full collection. */
const quiet = (): void => {};

/** Message of the library's refusal to reverse a call, as opposed to an error of the migration's own code. */
export function isNotReversible(error: unknown): boolean {
  return (
    types.isNativeError(error) && error.message.startsWith("Impossible to automatically infer down migration")
  );
}

/**
 * A function with two parameters is in callback style. The library ignores what the callback is given and waits
 * for ever when the function throws later; an error passed to the callback, or a rejection, fails the migration here.
 */
async function perform(action: (...args: unknown[]) => unknown, pgm: MigrationBuilder): Promise<void> {
  if (action.length !== 2) {
    await action(pgm);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const done = (error?: unknown): void => {
      if (types.isNativeError(error)) reject(error);
      else resolve();
    };
    Promise.resolve(action(pgm, done)).catch(reject);
  });
}
