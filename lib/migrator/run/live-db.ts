import type pg from "pg";
import type { Session } from "../connection/session.ts";
import type { MigrationDb } from "../engine.ts";
import { MigrationError } from "../errors.ts";
import { transactionControl } from "../sql/classify.ts";
import { splitStatements } from "../sql/split.ts";
import { type Containment, contained } from "./contain.ts";

export interface LiveDb {
  readonly db: (usesTransaction: () => boolean) => MigrationDb;
  /** When every query has ended, also those the migration did not wait for. */
  settled(): Promise<void>;
  /** The typed error behind what a query of the migration threw, when it is that. */
  typedError(error: unknown): MigrationError | undefined;
}

export interface LiveDbHooks {
  /** Before a query that belongs into the migration's transaction. */
  readonly begin: () => Promise<void>;
  /** Before a query of a migration that has asked to run without one. */
  readonly leaveTransaction: () => Promise<void>;
  readonly containment?: Containment | undefined;
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
      const result = await session.queryMigration(text, values);
      if (inTransaction) await session.run(`RELEASE SAVEPOINT ${SAVEPOINT}`);
      return result;
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code === "CANCELLED" || !session.usable) throw error;
      if (inTransaction) await session.run(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`);
      const { cause } = error;
      if (typeof cause !== "object" || cause === null) throw error;
      typed.set(cause, error);
      throw cause;
    }
  };
  // One after the other: they share the savepoint, and one connection has room for one statement.
  let queue: Promise<unknown> = Promise.resolve();
  return {
    db: (usesTransaction) => ({
      query: (text, values) => {
        const next = queue.then(async () => {
          const inTransaction = usesTransaction();
          const sql = typeof text === "string" ? text : text.text;
          if (inTransaction) refuseTransactionControl(sql);
          hooks.containment?.inspect(sql);
          await (inTransaction ? hooks.begin() : hooks.leaveTransaction());
          const run = () => query(inTransaction, text, values);
          return inTransaction ? run() : contained(session, hooks.containment, sql, run);
        });
        queue = next.catch(() => {});
        return next;
      },
    }),
    settled: async () => {
      await queue;
    },
    typedError: (error) => (typeof error === "object" && error !== null ? typed.get(error) : undefined),
  };
}

function refuseTransactionControl(text: string): void {
  const [first] = splitStatements(text);
  if (first === undefined || transactionControl(first.text) === undefined) return;
  throw new MigrationError(
    "MIGRATION",
    `pgm.db cannot run ${first.text.slice(0, 40)} inside the migration's transaction`,
    {
      hint: "Call pgm.noTransaction() first: then the migration is in charge of its transactions.",
    },
  );
}

const SAVEPOINT = "cdk_pg_migrate_query";
