import { randomUUID } from "node:crypto";
import type { MigrationSource, Observer, Provenance, ResolvedOptions } from "../core/index.ts";
import { asOwnSql } from "./connection/own-sql.ts";
import type { Session } from "./connection/session.ts";
import { type Survey, survey } from "./database-state.ts";
import type { Fence } from "./fence.ts";
import { asReading, ensureTables, type Tables } from "./history/tables.ts";
import { Ledger } from "./history/write.ts";
import { takeBackRights } from "./history/writers.ts";
import { Described } from "./history-entries.ts";
import type { LoadOptions } from "./load.ts";
import { withMigrationLock } from "./lock.ts";
import { Transactions } from "./transactions.ts";

/** One session with all that a command works with. */
export interface Workspace {
  readonly session: Session;
  readonly source: MigrationSource;
  readonly tables: Tables;
  readonly options: ResolvedOptions;
  readonly provenance: Provenance;
  readonly observe: Observer;
  readonly signal?: AbortSignal | undefined;
  readonly fence?: Fence | undefined;
}

export function look({ session, source, tables, options, observe, signal }: Workspace): Promise<Survey> {
  return asReading(tables, () => survey(session, source, tables, { ...options, observe, signal }));
}

/** Does `work` with the migration lock held, on what the database says under that lock. */
export function locked<T>(workspace: Workspace, work: (found: Survey) => Promise<T>): Promise<T> {
  const { session, options, observe, signal } = workspace;
  return withMigrationLock(session, { waitMs: options.lockWaitMs, observe, signal }, async () =>
    work(await look(workspace)),
  );
}

/**
 * The engine's tables, made where they are missing, ready to be written to by a new run. `firstRows` are written in
 * the transaction that makes them.
 */
export async function openLedger(
  { session, tables, provenance, observe }: Workspace,
  found: Survey,
  firstRows: (ledger: Ledger) => Promise<readonly string[]> = async () => [],
): Promise<Ledger> {
  const { existing, stored } = found;
  const ledger = new Ledger(tables, provenance, randomUUID(), stored.newestRunOn);
  const rows = await firstRows(ledger);
  return asOwnSql("the tables of the engine cannot be made", async () => {
    if (existing.applied || existing.history) await takeBackRights(session, tables, observe);
    return ledger.on(await ensureTables(session, tables, existing, rows));
  });
}

export function runContext(
  { session, options, observe, signal, fence }: Workspace,
  ledger: Ledger,
): RunContext {
  const transactions = new Transactions(session, options.transaction, fence);
  return { session, ledger, transactions, observe, options, signal, fence, described: new Described() };
}

export function loadOptions({ options, observe, signal }: Workspace): LoadOptions {
  const warn = (message: string) => observe({ type: "warning", message });
  return { decamelize: options.decamelize, warn, observe, signal };
}

/** What the migrations of one run work with. */
export interface RunContext {
  readonly session: Session;
  readonly ledger: Ledger;
  readonly transactions: Transactions;
  readonly described: Described;
  readonly observe: Observer;
  readonly options: ResolvedOptions;
  readonly signal?: AbortSignal | undefined;
  readonly fence?: Fence | undefined;
}
