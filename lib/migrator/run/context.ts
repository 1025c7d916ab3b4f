import type { Observer, ResolvedOptions } from "../../core/index.ts";
import type { Session } from "../connection/session.ts";
import type { Ledger } from "../store/write.ts";
import type { Described } from "./described.ts";
import type { Fence } from "./fence.ts";
import type { Transactions } from "./transactions.ts";

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
