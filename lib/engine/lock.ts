import { setTimeout as sleep } from "node:timers/promises";
import {
  Hint,
  MIGRATION_LOCK_ID,
  MigrationError,
  type SessionInfo,
  type StatementProgress,
} from "../core/index.ts";
import {
  describeProgress,
  describeSession,
  presentable,
  SESSION_COLUMNS,
  type Session,
  type SessionRow,
  sharedBackend,
} from "../postgres/index.ts";
import { readProgress } from "./background.ts";
import type { Context } from "./context.ts";

/**
 * Does `work` with the migration lock held. The lock is polled: a session that blocks on it holds a snapshot, and
 * `CREATE INDEX CONCURRENTLY` in the other run would wait for that snapshot for ever.
 * @throws MigrationError `LOCK_HELD`, naming the holder, when the other run does not end in time
 */
export async function withMigrationLock<T>(context: Context, work: () => Promise<T>): Promise<T> {
  await acquire(context);
  try {
    return await work();
  } finally {
    await context.session.cleanUp(`SELECT ${UNLOCK}, ${UNLOCK}`);
  }
}

async function acquire({ session, options, observe, signal }: Context): Promise<void> {
  const waitMs = options.lockWaitMs;
  const giveUpAt = performance.now() + waitMs;
  let reported: number | null | undefined;
  for (;;) {
    const [row] = await session.rows<{ outcome: "elsewhere" | "acquired" | "held" }>(take(session.pid));
    if (row?.outcome === "acquired") return;
    if (row?.outcome === "elsewhere") throw sharedBackend();
    const holder = await findHolder(session);
    const leftMs = giveUpAt - performance.now();
    if (leftMs <= 0) throw lockHeld(holder, holder && (await readProgress(session, holder.pid)), waitMs);
    if (reported !== (holder?.pid ?? null))
      observe({ type: "lock-wait", holder, waitMs: Math.round(leftMs) });
    reported = holder?.pid ?? null;
    // Jitter, so that many waiting runs do not poll at the same time.
    await sleep(Math.min(leftMs, 100 + Math.random() * 200), undefined, { signal }).catch(() => {});
  }
}

/** The lock is taken twice, so that a test can release one hold and keep the lock. */
const LOCK = `pg_catalog.pg_try_advisory_lock(${MIGRATION_LOCK_ID})`;
/**
 * Advisory locks are re-entrant. When this server connection already holds the lock, another run holds it, and a pooler
 * sends both runs over the same server connection.
 */
function take(pid: number): string {
  const heldHere = `EXISTS (SELECT FROM ${HOLDERS} AND l.pid = ${pid})`;
  return (
    `SELECT CASE WHEN pg_catalog.pg_backend_pid() <> ${pid} OR ${heldHere} THEN 'elsewhere' ` +
    `WHEN ${LOCK} AND ${LOCK} THEN 'acquired' ELSE 'held' END AS outcome`
  );
}

const UNLOCK = `pg_catalog.pg_advisory_unlock(${MIGRATION_LOCK_ID})`;

/** The rows of the lock in `pg_locks`, as `l`. A bigint key is shown as two 32-bit halves. */
const HOLDERS = `pg_catalog.pg_locks AS l
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND ((l.classid::bigint << 32) | l.objid::bigint) = ${MIGRATION_LOCK_ID}`;

/** The lock holder; null when the lock is free. */
export async function findHolder(session: Session): Promise<SessionInfo | null> {
  const [holder] = await session.rows<SessionRow>(
    `SELECT ${SESSION_COLUMNS} FROM pg_catalog.pg_stat_activity AS a
     WHERE a.pid IN (SELECT l.pid FROM ${HOLDERS})`,
  );
  return holder === undefined ? null : presentable(holder);
}

function lockHeld(
  holder: SessionInfo | null,
  progress: StatementProgress | null,
  waitMs: number,
): MigrationError {
  const doing = progress === null ? "" : ` (${describeProgress(progress)})`;
  const who = holder === null ? "another run" : describeSession(holder) + doing;
  const seconds = Math.round(waitMs / 100) / 10;
  const end = holder === null ? "" : waysToEnd(holder.pid, progress);
  return new MigrationError(
    "LOCK_HELD",
    `the migration lock is still held by ${who} after ${seconds} s of waiting`,
    {
      hint: Hint.of`Wait for that run and try again (${Hint.option("lockWaitMs")} gives more time)${end}`,
    },
  );
}

/** A session that builds an index needs no run any more. */
function waysToEnd(pid: number, progress: StatementProgress | null): string {
  return progress === null
    ? `, or end that session: SELECT pg_terminate_backend(${pid});`
    : `. It builds an index, with its run or without; to stop it and lose that work: SELECT pg_cancel_backend(${pid});`;
}
