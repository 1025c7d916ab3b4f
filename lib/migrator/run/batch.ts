import { ENGINE_SCOPE } from "../connection/prepare.ts";
import type { Session } from "../connection/session.ts";
import type { TransactionMode } from "../options.ts";

/**
 * The transactions of one run. `each`: a transaction for every migration. `all`: one for the whole run, broken
 * only where a no-transaction migration needs it.
 */
export interface Batch {
  /** Makes sure that a transaction is open. */
  begin(): Promise<void>;
  /** Writes a migration's bookkeeping in the open transaction; it is kept once that is committed. */
  complete(name: string, bookkeeping: readonly string[]): Promise<void>;
  /** Commits what is open, so that a statement can run outside a transaction. */
  flush(): Promise<void>;
  /** Rolls back what is open; what was kept stays. */
  abandon(): Promise<void>;
  /** Notes a migration that was recorded outside a transaction of this batch. */
  keep(name: string): void;
  /** Names that stay applied (or undone) whatever happens next. */
  readonly kept: readonly string[];
}

export function createBatch(session: Session, mode: TransactionMode): Batch {
  const kept: string[] = [];
  const open = { transaction: false, names: [] as string[] };
  const commit = async (before: readonly string[]): Promise<void> => {
    await session.run([...before, "COMMIT"].join("; "));
    open.transaction = false;
    kept.push(...open.names.splice(0));
  };
  return {
    kept,
    begin: async () => {
      if (open.transaction) return;
      await session.run("BEGIN");
      open.transaction = true;
    },
    complete: async (name, bookkeeping) => {
      open.names.push(name);
      // Deferred constraints are checked now: with one transaction for all, a later migration would be blamed.
      const statements = ["SET CONSTRAINTS ALL IMMEDIATE", ...ENGINE_SCOPE, ...bookkeeping];
      if (mode === "each") await commit(statements);
      else await session.run(statements.join("; "));
    },
    flush: async () => {
      if (open.transaction) await commit([]);
    },
    abandon: async () => {
      await session.rollback();
      open.transaction = false;
      open.names.length = 0;
    },
    keep: (name) => {
      kept.push(name);
    },
  };
}
