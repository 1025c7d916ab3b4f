import { MigrationError, type TransactionMode } from "../../core/index.ts";
import { own, type Part } from "../connection/message.ts";
import { ENGINE_SCOPE } from "../connection/prepare.ts";
import type { Session } from "../connection/session.ts";
import { withAdvice } from "./advice.ts";
import { type Fence, proofOf } from "./fence.ts";

/** The message that does one migration in a transaction. */
export interface Work {
  readonly name: string;
  /** Shown to whoever asks the server what this session does. */
  readonly title: string;
  /** What puts the session into its state; empty when it is in it. */
  readonly entry: readonly Part[];
  readonly steps: readonly Part[];
  /** The statements that record it. */
  readonly record: string;
}

/** Several migrations that share a transaction. */
export interface SharedWork extends Pick<Work, "title" | "entry"> {
  readonly names: readonly string[];
  /** The SQL of each; what one is leaves the reading of the rest as it is. */
  readonly steps: readonly Part[];
  /** Told how many of them are done, as far as the server has said. */
  readonly reached: (done: number) => void;
  /** The statements that record them, asked for once it is known how long each took. */
  readonly record: (durations: readonly number[]) => Promise<string>;
}

/**
 * The transactions of one run. `each`: a transaction for every migration. `all`: one for the whole run, broken
 * only where a no-transaction migration needs it.
 */
export interface Batch {
  /** Makes sure that a transaction is open. */
  begin(): Promise<void>;
  /** Runs a migration and records it, in one message; it is kept once that is committed. */
  perform(work: Work): Promise<void>;
  /**
   * Runs migrations in one message and records them in a second one; they are kept once that is committed.
   * @returns milliseconds that each took; undefined when they did something to the session: then they are rolled back
   */
  performTogether(work: SharedWork): Promise<readonly number[] | undefined>;
  /** Commits what is open, so that a statement can run outside a transaction. */
  flush(): Promise<void>;
  /** As `flush`, with a record in the same transaction as what is open; in one of its own when nothing is. */
  flushWith(migration: string, record: string): Promise<void>;
  /** Rolls back what is open; what was kept stays. */
  abandon(): Promise<void>;
  /** As `abandon`, when a migration has ended the transaction: what others did in it may be committed or not. */
  abandonEnded(ended: string): Promise<void>;
  /** Notes a migration that was recorded outside a transaction of this batch. */
  keep(name: string): void;
  /** Names that stay applied (or undone) whatever happens next. */
  readonly kept: readonly string[];
  /** Notes a migration of which the record may have been made when the connection was lost. */
  doubt(name: string): void;
  /** Names whose COMMIT may have been sent and was not answered; empty unless the connection was lost. */
  readonly inDoubt: ReadonlySet<string>;
}

/**
 * Which commits wait until they are on disk. `last`: only that of the run's last migration, which takes all before it
 * along. The server writes them in order: after a crash the newest may be gone, each with its record, and never one
 * without those after it.
 */
export type Durability = "every" | "last";

export interface BatchOptions {
  readonly mode: TransactionMode;
  readonly durability: Durability;
  /** Number of migrations in the run. */
  readonly total: number;
  readonly fence?: Fence | undefined;
}

export function createBatch(session: Session, options: BatchOptions): Batch {
  const { mode, durability, total, fence } = options;
  const kept: string[] = [];
  const open = { transaction: false, committing: false, names: [] as string[] };
  const inDoubt = new Set<string>();
  const committing = async (send: () => Promise<void>): Promise<void> => {
    open.committing = true;
    await send();
    open.transaction = open.committing = false;
    kept.push(...open.names.splice(0));
  };
  const commit = (): readonly string[] => {
    const isLast = kept.length + open.names.length >= total;
    return durability === "every" || isLast ? ["COMMIT"] : ["SET LOCAL synchronous_commit = off", "COMMIT"];
  };
  const ending = (name: string, end: readonly string[]): readonly Part[] => {
    return [stillOpen(name), scope(), ...proofOf(fence), ...session.timeLimit(), recording(end)];
  };
  const abandon = async (): Promise<void> => {
    await session.rollback();
    if (open.committing && !session.usable) for (const name of open.names) inDoubt.add(name);
    open.transaction = open.committing = false;
    open.names.length = 0;
  };
  return {
    kept,
    inDoubt,
    begin: async () => {
      if (open.transaction) return;
      await session.run("BEGIN");
      open.transaction = true;
    },
    perform: async ({ name, title, entry, steps, record }) => {
      open.names.push(name);
      const before = open.transaction ? entry : [...apart(entry), own("BEGIN")];
      const send = (end: readonly string[]) =>
        session.runTogether(title, [...before, ...steps, ...ending(name, end)]);
      if (mode === "each") return committing(() => send([record, ...commit()]));
      await send([record]);
      open.transaction = true;
    },
    performTogether: async ({ names, title, entry, steps, reached, record }) => {
      open.names.push(...names);
      const before = [...apart(entry), own("BEGIN")];
      const durations = await session.runTimed(title, before, steps, reached);
      if (durations === undefined) {
        await abandon();
        return undefined;
      }
      const end = [await record(durations), ...commit()];
      await committing(() => session.runTogether(title, ending(title, end)));
      return durations;
    },
    flush: async () => {
      if (open.transaction)
        await committing(() => session.runTogether("", [...proofOf(fence), own("COMMIT")]));
    },
    flushWith: async (migration, record) => {
      if (!open.transaction) return session.run(alone(record));
      const end = ending(migration, [record, "COMMIT"]);
      await committing(() => session.runTogether(migration, end));
    },
    abandon,
    abandonEnded: async (ended) => {
      for (const name of open.names) if (name !== ended) inDoubt.add(name);
      await abandon();
    },
    keep: (name) => {
      kept.push(name);
    },
    doubt: (name) => {
      inDoubt.add(name);
    },
  };
}

/** Statements of the engine's own in a transaction of their own. */
export function alone(...statements: readonly string[]): string {
  return ["BEGIN READ WRITE", ...ENGINE_SCOPE, ...statements, "COMMIT"].join("; ");
}

/** In a transaction of its own: the migration's may begin with what has to come first in it, such as its isolation. */
function apart(entry: readonly Part[]): readonly Part[] {
  return entry.length === 0 ? [] : [own("BEGIN"), ...entry, own("COMMIT")];
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
