import { type Direction, type HistoryAction, type Provenance, requireStorable } from "../../core/index.ts";
import { quoteJson, quoteLiteral } from "../../sql/index.ts";
import { type Identity, sameTables } from "./guard.ts";
import type { Tables } from "./tables.ts";

/** One row for the history; what does not apply is left out. */
export interface HistoryEntry {
  readonly migration: string;
  readonly action: HistoryAction;
  readonly state: "started" | "finished" | "failed";
  /** Outside a transaction: number of finished statements; absent when nothing has stayed. */
  readonly statement?: number;
  readonly sourceDigest?: string;
  readonly sqlDigest?: string;
  readonly digestVersion?: number;
  /** The SQL that was sent, secrets masked, to show later what has changed. */
  readonly upSql?: readonly string[];
  /** The SQL that would undo it, to be executed. */
  readonly downSql?: readonly string[];
  readonly noTransaction?: boolean;
  readonly errorCode?: string;
  readonly durationMs?: number | Duration;
  /** A person's reason for a decision. */
  readonly note?: string;
  /** How far a build in the background or a backfill has come; null when nothing is left to say. */
  readonly progress?: Readonly<Record<string, unknown>> | null;
}

/** The duration of a migration that is recorded in the same message as its SQL: the server adds its own time. */
export interface Duration {
  /** Milliseconds before the message was sent. */
  readonly before: number;
}

/** How far a migration without a transaction has come. */
export interface Progress extends Pick<HistoryEntry, "state" | "statement" | "errorCode" | "progress"> {
  readonly durationMs?: number;
}

/**
 * Writes both tables. All methods return SQL with literals, so that the rows and the COMMIT go to the server in one message.
 */
export class HistoryWriter {
  readonly #tables: Tables;
  /** The columns that all rows of a run share. */
  readonly #common: readonly Column[];
  readonly #newestRunOn: string | null;
  readonly #provenance: Provenance;
  readonly run: string;
  /** Goes before each write: see `sameTables`. */
  #guard = "";

  /** For statements in the transaction that makes the tables; for later ones see `on`. */
  constructor(tables: Tables, provenance: Provenance, run: string, newestRunOn: string | null) {
    const { actor, origin, revision, bundle, tool } = provenance;
    requireStorable("the revision of the run", revision);
    this.#tables = tables;
    // Read once, because reading the revision may start git.
    this.#provenance = { actor, origin, revision, bundle, tool };
    this.#common = columnsOf({ run, actor, origin, revision, bundle, tool });
    this.#newestRunOn = newestRunOn;
    this.run = run;
  }

  /** A writer for checked tables: each of its statements fails if it would write to other tables. */
  on(identity: Identity): HistoryWriter {
    const writer = new HistoryWriter(this.#tables, this.#provenance, this.run, this.#newestRunOn);
    writer.#guard = sameTables(this.#tables, identity, "write")
      .map((statement) => `${statement}; `)
      .join("");
    return writer;
  }

  /**
   * Records a migration as applied: one statement writes its row and the row of the history, which points to it. `run_on`
   * is never older than that of earlier rows: plain node-pg-migrate orders by it, and an adopted table may hold local
   * times from a zone ahead of UTC.
   */
  recordApplied(entry: HistoryEntry): string {
    const [names, values] = this.#columns(entry);
    return (
      `${this.#guard}WITH marked AS (${this.#insertApplied(entry.migration)}) ` +
      `INSERT INTO ${this.#tables.history} (${names}, applied_id) SELECT ${values}, marked.id FROM marked`
    );
  }

  /** Records a migration as no longer applied. */
  recordUnapplied(entry: HistoryEntry): string {
    return `${this.#guard}${this.#deleteApplied(entry.migration)}; ${this.#insert(entry)}`;
  }

  /** Changes the name of an applied migration. */
  renameApplied(before: string, now: string): string {
    const name = quoteLiteral(now);
    return `${this.#guard}UPDATE ONLY ${this.#tables.applied} SET name = ${name} WHERE name = ${quoteLiteral(before)}`;
  }

  /** Adds a row to the history of an applied migration. */
  recordAbout(entry: HistoryEntry): string {
    const [names, values] = this.#columns(entry);
    const { applied, history } = this.#tables;
    const id = `(SELECT pg_catalog.max(id) FROM ONLY ${applied} WHERE name = ${quoteLiteral(entry.migration)})`;
    return `${this.#guard}INSERT INTO ${history} (${names}, applied_id) SELECT ${values}, ${id}`;
  }

  #insertApplied(name: string): string {
    const now = "pg_catalog.timezone('UTC', pg_catalog.clock_timestamp())";
    const newest = this.#newestRunOn;
    const runOn = newest === null ? now : `GREATEST(${now}, ${quoteLiteral(newest)}::timestamp)`;
    return `INSERT INTO ${this.#tables.applied} (name, run_on) VALUES (${quoteLiteral(name)}, ${runOn}) RETURNING id`;
  }

  #deleteApplied(name: string): string {
    return `DELETE FROM ONLY ${this.#tables.applied} WHERE name = ${quoteLiteral(name)}`;
  }

  record(entry: HistoryEntry): string {
    return this.#guard + this.#insert(entry);
  }

  #insert(entry: HistoryEntry): string {
    const [names, values] = this.#columns(entry);
    return `INSERT INTO ${this.#tables.history} (${names}) VALUES (${values})`;
  }

  /** As `record`, unless this run already has a row for the migration, which holds the statement that it reached. */
  recordFailure(entry: HistoryEntry): string {
    const [names, values] = this.#columns(entry);
    const { history } = this.#tables;
    const own = `run = ${quoteLiteral(this.run)} AND migration = ${quoteLiteral(entry.migration)}`;
    return (
      `${this.#guard}INSERT INTO ${history} (${names}) SELECT ${values} ` +
      `WHERE NOT EXISTS (SELECT 1 FROM ONLY ${history} WHERE ${own} AND no_transaction AND state <> 'finished')`
    );
  }

  #columns(entry: HistoryEntry): [names: string, values: string] {
    const { durationMs } = entry;
    const own = columnsOf({
      migration: entry.migration,
      action: entry.action,
      state: entry.state,
      statement: entry.statement,
      source_digest: entry.sourceDigest,
      sql_digest: entry.sqlDigest,
      digest_version: entry.digestVersion,
      up_sql: entry.upSql,
      down_sql: entry.downSql,
      no_transaction: entry.noTransaction ?? false,
      error_code: entry.errorCode,
      note: entry.note,
      progress: entry.progress === null ? undefined : entry.progress,
      duration_ms: typeof durationMs === "number" ? Math.round(durationMs) : undefined,
    });
    const given = [...this.#common, ...own];
    if (typeof durationMs === "object") given.push(["duration_ms", sinceMessage(durationMs)]);
    return [listed(given.map(([name]) => name)), listed(given.map(([, value]) => value))];
  }

  /** Updates this run's unfinished row of a migration without a transaction. */
  advance(migration: string, change: Progress): string {
    return this.#guard + this.#update(migration, change);
  }

  #update(migration: string, change: Progress): string {
    return `UPDATE ONLY ${this.#tables.history} SET ${this.#changes(change)} WHERE ${this.#ownStarted(migration)}`;
  }

  /** As `advance`, at the end of the migration: records it as applied, or as no longer applied. */
  finish(migration: string, direction: Direction, change: Progress): string {
    const { history } = this.#tables;
    const where = this.#ownStarted(migration);
    if (direction === "down")
      return `${this.#guard}${this.#deleteApplied(migration)}; ${this.#update(migration, change)}`;
    return (
      `${this.#guard}WITH marked AS (${this.#insertApplied(migration)}) ` +
      `UPDATE ONLY ${history} SET ${this.#changes(change)}, applied_id = marked.id FROM marked WHERE ${where}`
    );
  }

  #changes({ state, statement, durationMs, errorCode, progress }: Progress): string {
    return [
      `state = ${quoteLiteral(state)}`,
      `statement = ${statement ?? "NULL"}`,
      ...(durationMs === undefined ? [] : [`duration_ms = ${Math.round(durationMs)}`]),
      ...(errorCode === undefined ? [] : [`error_code = ${quoteLiteral(errorCode)}`]),
      ...(progress === undefined ? [] : [`progress = ${progress === null ? "NULL" : literalOf(progress)}`]),
    ].join(", ");
  }

  #ownStarted(migration: string): string {
    return `run = ${quoteLiteral(this.run)} AND migration = ${quoteLiteral(migration)} AND state = 'started'`;
  }
}

type Column = readonly [name: string, literal: string];

/** A value for a column; a list or an object becomes JSON. */
type Value = string | number | boolean | readonly string[] | Readonly<Record<string, unknown>>;

function columnsOf(values: Readonly<Record<string, Value | undefined>>): Column[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, literalOf(value)] satisfies Column],
  );
}

function literalOf(value: Value): string {
  if (isList(value)) return quoteJson(value);
  return quoteLiteral(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** `Array.isArray` does not narrow a read-only list. */
function isList(value: Value): value is readonly string[] {
  return Array.isArray(value);
}

/** Joins with commas. Unlike `join`, this does not copy the SQL of a large migration. */
function listed(values: readonly string[]): string {
  return values.reduce((list, value) => `${list}, ${value}`);
}

/** `statement_timestamp()` is the time at which the server received the message. */
function sinceMessage({ before }: Duration): string {
  return `${Math.round(before)} + 1000 * pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.statement_timestamp())`;
}
