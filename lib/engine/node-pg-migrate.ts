/**
 * The one file that knows node-pg-migrate. It is used for what it is best at, turning a migration's calls into
 * SQL; connections, locks, transactions and bookkeeping are ours. Every behaviour relied on here has a contract
 * test that compares with the library's own runner.
 */

import { types } from "node:util";
import { type ColumnDefinitions, MigrationBuilder } from "node-pg-migrate";

/** What a migration may export, already taken out of its module or SQL file. */
export interface Actions {
  readonly up: unknown;
  /** Absent: the reverse of `up` is inferred. A `NoWayDown`: it cannot be undone. */
  readonly down: unknown;
  readonly shorthands: Shorthands;
}

export type Shorthands = ColumnDefinitions;

/** The database as a migration sees it through `pgm.db` while it is being built. */
export interface MigrationDb {
  /** Takes what `pg` takes: text or an object, values, a callback. */
  readonly query: (...args: readonly unknown[]) => Promise<unknown>;
  readonly select: (...args: readonly unknown[]) => Promise<unknown>;
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
  /** Makes the error for a call of `pgm` after the action has returned, when its SQL was taken already. */
  readonly tooLate: (call: string, called: (...args: never) => unknown) => Error;
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
  const pgm = new MigrationBuilder(unused, request.shorthands, request.decamelize, logger);
  usesTransaction = () => pgm.isUsingTransaction();
  if (request.mode === "inferred") pgm.enableReverseMode();
  const handed = handedOut(pgm, request.mode === "inferred" ? undefined : db, request.tooLate);
  await perform(request.action, handed.pgm);
  handed.close();
  return { steps: pgm.getSqlSteps(), transactional: pgm.isUsingTransaction() };
}

/** In reverse mode the library refuses queries before it would ask for one; otherwise `pgm.db` is ours. */
const unused = { query: refuse, select: refuse };

function refuse(): Promise<never> {
  return Promise.reject(new Error("pgm.db is not there"));
}

/** The builder as the migration sees it: with our `db`, and of no use once it is closed. */
function handedOut(
  builder: MigrationBuilder,
  db: MigrationDb | undefined,
  tooLate: BuildRequest["tooLate"],
): { readonly pgm: MigrationBuilder; readonly close: () => void } {
  let closed = false;
  const pgm: MigrationBuilder = new Proxy(builder, {
    get: (target, key) => {
      if (key === "db" && db !== undefined) return db;
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function" || key === "func") return value;
      const call = (...args: unknown[]): unknown => {
        if (closed) throw tooLate(`pgm.${String(key)}`, call);
        const result: unknown = Reflect.apply(value, target, args);
        return result === target ? pgm : result;
      };
      return call;
    },
  });
  return {
    pgm,
    close: () => {
      closed = true;
    },
  };
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
