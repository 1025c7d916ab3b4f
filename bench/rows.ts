/** The name under which the built package is measured: what every other row is compared with. */
export const OURS = "cdk-pg-migrate";
export const OURS_FROM_SOURCE = "cdk-pg-migrate, from the checkout";
export const OURS_ONE_TRANSACTION = "cdk-pg-migrate --transaction all";
export const PEER = "node-pg-migrate";
export const PEER_EACH = "node-pg-migrate --no-single-transaction";
export const FLOOR = "psql -1 -f";
export const FLOOR_EACH = "psql -f, a transaction for each";

/** What one run cost. */
export interface Cost {
  readonly wallMs: number;
  /** User and system, of the tool and all it started; the server's is not in it. */
  readonly cpuMs?: number;
  /** Of the tool and what it had started, at the worst moment. Linux only. */
  readonly peakMb?: number;
}

/** One piece of work done by one tool. */
export interface Row {
  readonly work: string;
  readonly tool: string;
  readonly costs: readonly Cost[];
  /** SQL statements, from the server's log. */
  readonly statements?: number;
  /** How often the tool waited for the server, from connecting to the end. */
  readonly roundTrips?: number;
  readonly remark?: string;
}

type Measure = "wallMs" | "cpuMs" | "peakMb";

export function valuesOf(row: Row, measure: Measure): readonly number[] {
  return row.costs.flatMap((cost) => cost[measure] ?? []);
}
