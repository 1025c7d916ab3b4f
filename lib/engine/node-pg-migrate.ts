/**
 * The adapter to node-pg-migrate, and the only file that imports it. The library turns the calls of a migration into SQL;
 * connections, locks, transactions and records are the engine's. Each behaviour that this file relies on has a contract
 * test that compares with the library's runner.
 */

import { types } from "node:util";
import { type ColumnDefinitions, MigrationBuilder } from "node-pg-migrate";
import type { CheckedBackfill } from "./backfill.ts";

/** The exports of a migration, read from its module or SQL file. */
export interface Actions {
  readonly up: unknown;
  /** Absent: the reverse of `up` is inferred. A `NoWayDown`: the migration cannot be undone. */
  readonly down: unknown;
  readonly shorthands: Shorthands;
}

export type Shorthands = ColumnDefinitions;

/** `pgm.db`: the database as a migration sees it. */
export interface MigrationDb {
  /** Takes the arguments of `pg`: text or an object, values, a callback. */
  readonly query: (...args: readonly unknown[]) => Promise<unknown>;
  readonly select: (...args: readonly unknown[]) => Promise<unknown>;
}

export interface CollectRequest {
  readonly action: (...args: unknown[]) => unknown;
  /** `inferred` collects the reverse of each call. */
  readonly mode: "direct" | "inferred";
  readonly shorthands: Shorthands;
  readonly decamelize: boolean;
  /** Makes `pgm.db`. @param usesTransaction false once the migration has called `pgm.noTransaction()` */
  readonly db: (usesTransaction: () => boolean) => MigrationDb;
  readonly warn: (message: string) => void;
  /** Makes the error for a call of `pgm` after the action has returned, when the SQL is already collected. */
  readonly tooLate: (call: string, called: (...args: never) => unknown) => Error;
}

export interface RenderedSql {
  /** SQL texts in running order; one text may hold several statements. */
  readonly steps: readonly string[];
  readonly transactional: boolean;
  /** Present when the one statement of the steps runs in batches. */
  readonly backfill?: CheckedBackfill | undefined;
}

/** Collects the SQL of one direction of one migration. Errors of the migration's own code pass through. */
export async function collectSql(request: CollectRequest): Promise<RenderedSql> {
  const { warn } = request;
  const logger = { debug: quiet, info: quiet, warn, error: warn };
  let usesTransaction = () => true;
  const db = request.db(() => usesTransaction());
  const pgm = new MigrationBuilder(unused, request.shorthands, request.decamelize, logger);
  usesTransaction = () => pgm.isUsingTransaction();
  if (request.mode === "inferred") pgm.enableReverseMode();
  const handle = guarded(pgm, request.mode === "inferred" ? undefined : db, request.tooLate);
  await perform(request.action, handle.pgm);
  handle.close();
  return { steps: pgm.getSqlSteps(), transactional: pgm.isUsingTransaction() };
}

/** Never called: in reverse mode the library refuses queries, and otherwise `pgm.db` is the engine's. */
const unused = { query: refuse, select: refuse };

function refuse(): Promise<never> {
  return Promise.reject(new Error("pgm.db is not there"));
}

/** The builder for the migration: with the engine's `db`, and refusing calls once it is closed. */
function guarded(
  builder: MigrationBuilder,
  db: MigrationDb | undefined,
  tooLate: CollectRequest["tooLate"],
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

/** Shared: with separate functions for each logger, V8 keeps every builder in memory until a full collection. */
const quiet = (): void => {};

/** Whether an error is the library's refusal to reverse a call, and not an error of the migration. */
export function isNotReversible(error: unknown): boolean {
  return (
    types.isNativeError(error) && error.message.startsWith("Impossible to automatically infer down migration")
  );
}

/**
 * Calls the action. One with two parameters takes a callback: an error passed to it, or a rejection, fails the migration.
 * (The library ignores such an error, and waits for ever after a later throw.)
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
