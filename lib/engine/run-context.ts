import type { Observer, ResolvedOptions } from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import type { Fence } from "./fence.ts";
import type { Ledger } from "./history/write.ts";
import type { HistoryEntries } from "./history-entries.ts";
import type { Transactions } from "./transactions.ts";

/** What the migrations of one run work with. */
export interface RunContext {
  readonly session: Session;
  readonly ledger: Ledger;
  readonly transactions: Transactions;
  readonly entries: HistoryEntries;
  readonly observe: Observer;
  readonly options: ResolvedOptions;
  readonly signal?: AbortSignal | undefined;
  readonly fence?: Fence | undefined;
}
