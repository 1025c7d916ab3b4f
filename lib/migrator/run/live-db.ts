import type pg from "pg";
import type { Session } from "../connection/session.ts";
import type { MigrationDb } from "../engine.ts";
import { MigrationError } from "../errors.ts";

export interface LiveDb {
  readonly db: (usesTransaction: () => boolean) => MigrationDb;
  /** The typed error behind what a query of the migration threw, when it is that. */
  typedError(error: unknown): MigrationError | undefined;
}

export interface LiveDbHooks {
  /** Before a query that belongs into the migration's transaction. */
  readonly begin: () => Promise<void>;
  /** Before a query of a migration that has asked to run without one. */
  readonly leaveTransaction: () => Promise<void>;
}

/**
 * `pgm.db` while a dynamic migration is built. Its queries run where the migration's SQL will run. Inside a
 * transaction each has a savepoint, because a migration may catch a failed query and go on; it sees the driver's
 * own error, as under node-pg-migrate.
 */
export function createLiveDb(session: Session, hooks: LiveDbHooks): LiveDb {
  const typed = new WeakMap<object, MigrationError>();
  const query = async (inTransaction: boolean, text: string | pg.QueryConfig, values?: unknown[]) => {
    if (inTransaction) await session.run(`SAVEPOINT ${SAVEPOINT}`);
    try {
      const result = await session.query(text, values);
      if (inTransaction) await session.run(`RELEASE SAVEPOINT ${SAVEPOINT}`);
      return result;
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code === "CANCELLED" || !session.usable) throw error;
      if (inTransaction) await session.run(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`);
      const cause = error.details.cause;
      if (typeof cause !== "object" || cause === null) throw error;
      typed.set(cause, error);
      throw cause;
    }
  };
  return {
    db: (usesTransaction) => ({
      query: async (text, values) => {
        const inTransaction = usesTransaction();
        await (inTransaction ? hooks.begin() : hooks.leaveTransaction());
        return query(inTransaction, text, values);
      },
    }),
    typedError: (error) => (typeof error === "object" && error !== null ? typed.get(error) : undefined),
  };
}

const SAVEPOINT = "cdk_pg_migrate_query";
