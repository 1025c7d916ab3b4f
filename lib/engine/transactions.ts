import { MigrationError, type TransactionMode } from "../core/index.ts";
import { ENGINE_SCOPE, own, type Part, type Session } from "../postgres/index.ts";
import type { Context } from "./context.ts";
import { type Fence, proofOf } from "./fence.ts";
import type { HistoryWriter } from "./history/write.ts";
import type { HistoryEntries } from "./history-entries.ts";
import { withAdvice } from "./sql-failure.ts";

/** What the migrations of one run work with. */
export interface RunContext extends Pick<Context, "session" | "observe" | "options" | "signal" | "fence"> {
  readonly writer: HistoryWriter;
  readonly transactions: Transactions;
  readonly entries: HistoryEntries;
}

/** One migration in a transaction, as it is sent to the server. */
export interface MigrationMessage {
  readonly name: string;
  /** Shown by `pg_stat_activity`. */
  readonly title: string;
  /** Resets the session; empty when it is reset already. */
  readonly reset: readonly Part[];
  readonly steps: readonly Part[];
  /** The statements that record the migration. */
  readonly record: string;
}

/**
 * The transactions of one run. `each`: one transaction for every migration. `all`: one for the whole run, committed
 * early only where a no-transaction migration needs that.
 */
export class Transactions {
  readonly #session: Session;
  readonly #mode: TransactionMode;
  readonly #fence: Fence | undefined;
  readonly #committed: string[] = [];
  readonly #uncommitted: string[] = [];
  readonly #unknown = new Set<string>();
  #isOpen = false;
  #isCommitting = false;

  constructor(session: Session, mode: TransactionMode, fence?: Fence) {
    this.#session = session;
    this.#mode = mode;
    this.#fence = fence;
  }

  /** Names that stay applied (or undone) whatever happens next. */
  get committed(): readonly string[] {
    return this.#committed;
  }

  /** Names whose COMMIT was sent and not answered, because the connection was lost. */
  get commitOutcomeUnknown(): ReadonlySet<string> {
    return this.#unknown;
  }

  /** Begins a transaction unless one is open. */
  async begin(): Promise<void> {
    if (this.#isOpen) return;
    await this.#session.run("BEGIN");
    this.#isOpen = true;
  }

  /** Runs and records a migration in one message, and commits it when each has its own transaction. */
  async run({ name, title, reset, steps, record }: MigrationMessage): Promise<void> {
    this.#uncommitted.push(name);
    const start = this.#isOpen ? reset : [...inOwnTransaction(reset), own("BEGIN")];
    const send = (...end: readonly string[]) =>
      this.#session.runTogether(title, [...start, ...steps, ...this.#ending(name, end)]);
    if (this.#mode === "each") return this.#commit(() => send(record, "COMMIT"));
    await send(record);
    this.#isOpen = true;
  }

  /** Commits the open transaction, if there is one, so that a statement can run outside a transaction. */
  async commit(): Promise<void> {
    if (!this.#isOpen) return;
    await this.#commit(() => this.#session.runTogether("", [...proofOf(this.#fence), own("COMMIT")]));
  }

  /** As `commit`, with a record of this migration in the same transaction; in a new one when none is open. */
  async commitWith(migration: string, record: string): Promise<void> {
    if (!this.#isOpen) return this.#session.run(inEngineTransaction(record));
    await this.#commit(() =>
      this.#session.runTogether(migration, this.#ending(migration, [record, "COMMIT"])),
    );
  }

  /** Commits the transaction of one batch of a backfill, which the caller has begun, with the record of how far it came. */
  async commitBatch(migration: string, record: string): Promise<void> {
    await this.#session.runTogether(migration, this.#ending(migration, [record, "COMMIT"]));
  }

  /** Rolls back the open transaction. */
  async rollback(): Promise<void> {
    await this.#session.rollback();
    if (this.#isCommitting && !this.#session.usable)
      for (const name of this.#uncommitted) this.#unknown.add(name);
    this.#isOpen = this.#isCommitting = false;
    this.#uncommitted.length = 0;
  }

  /** As `rollback`, after this migration has ended the transaction: earlier ones in it may be committed or not. */
  async rollbackEndedBy(migration: string): Promise<void> {
    for (const name of this.#uncommitted) if (name !== migration) this.#unknown.add(name);
    await this.rollback();
  }

  /** Notes a migration that was recorded outside the transactions of this run. */
  markCommitted(name: string): void {
    this.#committed.push(name);
  }

  /** Notes a migration whose record may have been committed when the connection was lost. */
  markUnknown(name: string): void {
    this.#unknown.add(name);
  }

  async #commit(send: () => Promise<unknown>): Promise<void> {
    this.#isCommitting = true;
    await send();
    this.#isOpen = this.#isCommitting = false;
    this.#committed.push(...this.#uncommitted.splice(0));
  }

  #ending(migration: string, statements: readonly string[]): readonly Part[] {
    return [
      stillOpen(migration),
      scope(),
      ...proofOf(this.#fence),
      ...this.#session.timeLimit(),
      recording(statements),
    ];
  }
}

/** Statements of the engine, in a transaction that holds nothing else. */
export function inEngineTransaction(...statements: readonly string[]): string {
  return ["BEGIN READ WRITE", ...ENGINE_SCOPE, ...statements, "COMMIT"].join("; ");
}

/** Separate, because a migration may begin with a statement that must be first in its transaction, such as SET TRANSACTION. */
function inOwnTransaction(reset: readonly Part[]): readonly Part[] {
  return reset.length === 0 ? [] : [own("BEGIN"), ...reset, own("COMMIT")];
}

/** A savepoint can only be made inside a transaction: what follows must not be committed without what came before. */
function stillOpen(migration: string): Part {
  const text = "SAVEPOINT cdk_pg_migrate_end; RELEASE SAVEPOINT cdk_pg_migrate_end";
  return { ...own(text), meaning: () => endedTransaction(migration) };
}

/** Deferred constraints are checked now: with one transaction for all, a later migration would be blamed. */
function scope(): Part {
  return { ...own(["SET CONSTRAINTS ALL IMMEDIATE", ...ENGINE_SCOPE].join("; ")), meaning: atCommit };
}

function recording(statements: readonly string[]): Part {
  return { ...own(statements.reduce((all, one) => `${all}; ${one}`)), meaning: atCommit };
}

/** The statement would be our bookkeeping; what fails with it is the migration's data, or a right that we lack. */
function atCommit(error: MigrationError): MigrationError {
  if (error.code === "UNTRUSTED_HISTORY") return error;
  const { statement: _, position: __, sqlstate = "", ...details } = error.details;
  const what = /^(42|25)/.test(sqlstate) ? "the migration cannot be recorded" : "at commit";
  const failed = new MigrationError(error.code, `${what}: ${error.message}`, { ...details, sqlstate });
  return what === "at commit" ? withAdvice(failed, undefined) : failed;
}

/** Whether an error is one of `endedTransaction`. */
export function isEndedTransaction(error: unknown): error is MigrationError {
  return error instanceof MigrationError && endings.has(error);
}

const endings = new WeakSet<MigrationError>();

export function endedTransaction(migration: string): MigrationError {
  const error = new MigrationError(
    "MIGRATION",
    `migration ${migration} ended the transaction it runs in, or left one open`,
    {
      migration,
      hint: "Take BEGIN, COMMIT and ROLLBACK out of it, or let it run outside a transaction (-- migrate: no-transaction).",
    },
  );
  endings.add(error);
  return error;
}
