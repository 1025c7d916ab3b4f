import { type BackgroundSession, type OnDeadline, property } from "../core/index.ts";
import type { Concurrent, OnProgress, Session } from "../postgres/index.ts";
import { type IndexBuild, isConcurrent, readTraceable, type TraceableStatement } from "../sql/index.ts";
import {
  asRead,
  buildIndex,
  dropLeftBehind,
  findRelation,
  findTable,
  inCatalog,
  listIndexes,
} from "./concurrent-index.ts";

/** A statement outside a transaction, and what becomes of it at the deadline if it is concurrent. */
export interface BesideOthers {
  readonly text: string;
  readonly onProgress?: OnProgress | undefined;
  readonly onDeadline: OnDeadline;
}

/** Runs a statement outside a transaction. When it builds an index, invalid indexes of earlier attempts are dropped. */
export async function runBeside<T>(
  session: Session,
  { text, onProgress, onDeadline }: BesideOthers,
  run: (concurrent?: Concurrent) => Promise<T>,
): Promise<T> {
  if (session.transactionStatus !== "I" || !isConcurrent(text)) return run();
  const traceable = readTraceable(text);
  const watched = () => run({ onProgress, onDeadline });
  return session.concurrently(onDeadline, () =>
    traceable?.kind === "create-index" ? buildIndex(session, traceable, watched) : watched(),
  );
}

/** What is recorded before a concurrent statement begins, so that another run can find out what became of it. */
export interface ConcurrentRecord {
  readonly session: BackgroundSession;
  /** Oids of the indexes that the table had before an index without a name. */
  readonly indexes?: readonly number[];
}

/** The record for a statement that is about to run; undefined for one that leaves no trace of having run. */
export async function recordFor(session: Session, text: string): Promise<ConcurrentRecord | undefined> {
  const traceable = session.transactionStatus === "I" ? readTraceable(text) : undefined;
  if (traceable === undefined) return undefined;
  const [row] = await inCatalog<BackgroundSession>(
    session,
    `SELECT a.pid, pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "startedAt"
     FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = ${session.pid}`,
  );
  if (row === undefined) return undefined;
  const isUnnamed = traceable.kind === "create-index" && traceable.name === undefined;
  if (!isUnnamed) return { session: row };
  return { session: row, indexes: await listIndexes(session, await findRelation(session, traceable.table)) };
}

/** The record in the column `progress`; undefined for anything else. */
export function readRecord(progress: unknown): ConcurrentRecord | undefined {
  const session = property(progress, "session");
  const [pid, startedAt] = [property(session, "pid"), property(session, "startedAt")];
  if (typeof pid !== "number" || typeof startedAt !== "string") return undefined;
  const indexes: unknown = property(progress, "indexes");
  if (!Array.isArray(indexes)) return { session: { pid, startedAt } };
  return { session: { pid, startedAt }, indexes: indexes.filter((oid) => typeof oid === "number") };
}

/**
 * What is left to run of a concurrent statement whose session has ended without a word: nothing if it took effect. Call
 * with the migration lock held, which that session held to its end, and in the state for SQL of migrations, because names
 * are found by its search path.
 */
export async function restOf(
  session: Session,
  text: string,
  { indexes }: ConcurrentRecord,
): Promise<string | undefined> {
  const statement = readTraceable(text);
  switch (statement?.kind) {
    case "create-index":
      return (await isBuilt(session, statement, indexes)) ? undefined : text;
    case "drop-index":
      return (await findRelation(session, statement.index)) === undefined ? undefined : text;
    case "detach":
      return restOfDetach(session, statement, text);
    default:
      return text;
  }
}

async function isBuilt(
  session: Session,
  index: IndexBuild,
  before: readonly number[] = [],
): Promise<boolean> {
  const table = await findTable(session, index.table);
  if (table === undefined) return false;
  if (index.name !== undefined) {
    const found = await inCatalog(
      session,
      `SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
       WHERE i.indrelid = ${table.oid} AND i.indisvalid AND c.relname = ${asRead(index.name)}`,
    );
    return found.length > 0;
  }
  const found = await inCatalog<{ valid: boolean }>(
    session,
    `SELECT i.indisvalid AS valid FROM pg_catalog.pg_index AS i
     WHERE i.indrelid = ${table.oid} AND i.indexrelid NOT IN (${["0", ...before].join(", ")})`,
  );
  // A build that has failed has left an invalid one.
  const isDone = found.length === 1 && found.every(({ valid }) => valid);
  if (isDone) await dropLeftBehind(session, table, before);
  return isDone;
}

/** DETACH works in two transactions. After the first one, only FINALIZE can do the rest. */
async function restOfDetach(
  session: Session,
  { table, partition }: Extract<TraceableStatement, { kind: "detach" }>,
  text: string,
): Promise<string | undefined> {
  const [parent, child] = [await findRelation(session, table), await findRelation(session, partition)];
  if (parent === undefined || child === undefined) return text;
  const [row] = await inCatalog<{ pending: boolean; parent: string; child: string }>(
    session,
    `SELECT i.inhdetachpending AS pending, i.inhparent::pg_catalog.regclass::pg_catalog.text AS parent,
            i.inhrelid::pg_catalog.regclass::pg_catalog.text AS child
     FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = ${parent} AND i.inhrelid = ${child}`,
  );
  if (row === undefined) return undefined;
  return row.pending ? `ALTER TABLE ${row.parent} DETACH PARTITION ${row.child} FINALIZE` : text;
}
