import pg from "pg";
import type { Provenance } from "../options.ts";
import type { Tables } from "./tables.ts";

export type HistoryAction = "up" | "down" | "fake" | "baseline" | "repair" | "resolve";

/** One row for the history; what does not apply is left out. */
export interface HistoryEntry {
  readonly migration: string;
  readonly action: HistoryAction;
  readonly state: "started" | "finished" | "failed";
  /** No-transaction only: number of statements finished; absent when nothing was left behind. */
  readonly statement?: number;
  readonly sourceDigest?: string;
  readonly sqlDigest?: string;
  readonly digestVersion?: number;
  /** What was sent, passwords masked: for people who ask what has changed since. */
  readonly upSql?: readonly string[];
  /** What would undo it, to be executed. */
  readonly downSql?: readonly string[];
  readonly noTransaction?: boolean;
  readonly errorCode?: string;
  readonly durationMs?: number;
  /** A person's reason, for what only a person can decide. */
  readonly note?: string;
}

/**
 * Writes both tables as SQL text with literals: the two rows and the COMMIT travel in one message, so that there
 * is no moment in which one of them exists without the other.
 */
export class Ledger {
  readonly #tables: Tables;
  readonly #provenance: Provenance;
  readonly #newestRunOn: string | null;
  readonly run: string;

  constructor(tables: Tables, provenance: Provenance, run: string, newestRunOn: string | null) {
    this.#tables = tables;
    this.#provenance = provenance;
    this.#newestRunOn = newestRunOn;
    this.run = run;
  }

  /**
   * `run_on` never goes back behind the rows that are there: plain node-pg-migrate orders by it, and an adopted
   * table may hold local times from a zone ahead of UTC.
   */
  markApplied(name: string): string {
    const now = "pg_catalog.timezone('UTC', pg_catalog.clock_timestamp())";
    const newest = this.#newestRunOn;
    const runOn = newest === null ? now : `GREATEST(${now}, ${pg.escapeLiteral(newest)}::timestamp)`;
    return `INSERT INTO ${this.#tables.applied} (name, run_on) VALUES (${pg.escapeLiteral(name)}, ${runOn})`;
  }

  markUnapplied(name: string): string {
    return `DELETE FROM ${this.#tables.applied} WHERE name = ${pg.escapeLiteral(name)}`;
  }

  record(entry: HistoryEntry): string {
    const [names, values] = this.#columns(entry);
    return `INSERT INTO ${this.#tables.history} (${names}) VALUES (${values})`;
  }

  /** As `record`, unless this run has a row for the migration: a no-transaction one keeps the statement it reached. */
  recordFailure(entry: HistoryEntry): string {
    const [names, values] = this.#columns(entry);
    const { history } = this.#tables;
    const own = `run = ${pg.escapeLiteral(this.run)} AND migration = ${pg.escapeLiteral(entry.migration)}`;
    return (
      `INSERT INTO ${history} (${names}) SELECT ${values} ` +
      `WHERE NOT EXISTS (SELECT 1 FROM ${history} WHERE ${own} AND no_transaction AND state <> 'finished')`
    );
  }

  #columns(entry: HistoryEntry): [names: string, values: string] {
    const { actor, origin, revision, bundle, tool } = this.#provenance;
    const columns: Record<string, string | number | boolean | undefined> = {
      run: this.run,
      migration: entry.migration,
      action: entry.action,
      state: entry.state,
      statement: entry.statement,
      source_digest: entry.sourceDigest,
      sql_digest: entry.sqlDigest,
      digest_version: entry.digestVersion,
      up_sql: entry.upSql === undefined ? undefined : JSON.stringify(entry.upSql),
      down_sql: entry.downSql === undefined ? undefined : JSON.stringify(entry.downSql),
      no_transaction: entry.noTransaction ?? false,
      error_code: entry.errorCode,
      note: entry.note,
      duration_ms: entry.durationMs === undefined ? undefined : Math.round(entry.durationMs),
      actor,
      origin,
      revision,
      bundle,
      tool,
    };
    const given = Object.entries(columns).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, pg.escapeLiteral(String(value))] as const],
    );
    const names = given.map(([name]) => name).join(", ");
    const values = given.map(([, value]) => value).join(", ");
    return [names, values];
  }

  /** Moves this run's unfinished row of a no-transaction migration on. */
  advance(
    migration: string,
    change: Pick<HistoryEntry, "state" | "statement" | "durationMs" | "errorCode">,
  ): string {
    const set = [
      `state = ${pg.escapeLiteral(change.state)}`,
      `statement = ${change.statement ?? "NULL"}`,
      ...(change.durationMs === undefined ? [] : [`duration_ms = ${Math.round(change.durationMs)}`]),
      ...(change.errorCode === undefined ? [] : [`error_code = ${pg.escapeLiteral(change.errorCode)}`]),
    ].join(", ");
    return (
      `UPDATE ${this.#tables.history} SET ${set} WHERE run = ${pg.escapeLiteral(this.run)} ` +
      `AND migration = ${pg.escapeLiteral(migration)} AND state = 'started'`
    );
  }
}
