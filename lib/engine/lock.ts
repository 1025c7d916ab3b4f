import { setTimeout as sleep } from "node:timers/promises";
import { Hint, MigrationError, type SessionInfo, type StatementProgress } from "../core/index.ts";
import {
  describeProgress,
  describeSession,
  inTheWay,
  type MigrationLock,
  presentable,
  releaseMigrationLock,
  SESSION_COLUMNS,
  type SessionRow,
  sharedBackend,
  takeMigrationLock,
} from "../postgres/index.ts";
import { readProgress } from "./background.ts";
import type { Context } from "./context.ts";

/** The session that keeps a run from starting. */
interface LockHolder {
  readonly session: SessionInfo;
  readonly lock: MigrationLock;
}

/**
 * Does `work` with the migration lock held. The lock is polled: a session that blocks on it holds a snapshot, and
 * `CREATE INDEX CONCURRENTLY` in the other run would wait for that snapshot for ever.
 * @param wait how long to wait for another run, and what to do when it does not end. Default: the option
 * @throws MigrationError `LOCK_HELD`, naming the holder, when the other run does not end in time
 */
export async function withMigrationLock<T>(
  context: Context,
  work: () => Promise<T>,
  wait: LockWait = { ms: context.options.lockWaitMs, advice: MORE_TIME },
): Promise<T> {
  await acquire(context, wait);
  try {
    return await work();
  } finally {
    await context.session.cleanUp(releaseMigrationLock(context.options));
  }
}

interface LockWait {
  readonly ms: number;
  readonly advice: string | Hint;
}

const MORE_TIME = Hint.of`Wait for that run and try again (${Hint.option("lockWaitMs")} gives more time)`;

async function acquire(context: Context, wait: LockWait): Promise<void> {
  const { session, options, observe, signal } = context;
  const giveUpAt = performance.now() + wait.ms;
  let reported: number | null | undefined;
  for (;;) {
    const [row] = await session.rows<{ outcome: "elsewhere" | "acquired" | "held" }>(
      takeMigrationLock(options, session.pid),
    );
    if (row?.outcome === "acquired") return;
    if (row?.outcome === "elsewhere") throw sharedBackend();
    const found = await findHolder(context);
    const holder = found?.session ?? null;
    const lock = nameOf(options, found?.lock);
    const leftMs = giveUpAt - performance.now();
    if (leftMs <= 0) throw await lockHeld(context.session, lock, holder, wait);
    if (reported !== (holder?.pid ?? null))
      observe({ type: "lock-wait", lock, holder, waitMs: Math.round(leftMs) });
    reported = holder?.pid ?? null;
    // Jitter, so that many waiting runs do not poll at the same time.
    await sleep(Math.min(leftMs, 100 + Math.random() * 200), undefined, { signal }).catch(() => {});
  }
}

function nameOf(
  { migrationsSchema, migrationsTable }: Context["options"],
  lock: MigrationLock = "table",
): string {
  return lock === "table" ? `${migrationsSchema}.${migrationsTable}` : lock;
}

/** The session that keeps a run from starting, and which lock it holds; null when there is none. */
export async function findHolder({ session, options }: Context): Promise<LockHolder | null> {
  const [found] = await session.rows<SessionRow & { readonly lock: MigrationLock }>(
    `SELECT ${SESSION_COLUMNS}, held.lock FROM (${inTheWay(options)}) AS held
     JOIN pg_catalog.pg_stat_activity AS a ON a.pid = held.pid`,
  );
  if (found === undefined) return null;
  const { lock, ...row } = found;
  return { session: presentable(row), lock };
}

async function lockHeld(
  session: Context["session"],
  lock: string,
  holder: SessionInfo | null,
  { ms, advice }: LockWait,
): Promise<MigrationError> {
  const progress = holder && (await readProgress(session, holder.pid));
  const doing = progress === null ? "" : ` (${describeProgress(progress)})`;
  const who = holder === null ? "another run" : describeSession(holder) + doing;
  const seconds = Math.round(ms / 100) / 10;
  const end = holder === null ? "" : waysToEnd(holder.pid, progress);
  return new MigrationError(
    "LOCK_HELD",
    `the migration lock of ${lock} is still held by ${who} after ${seconds} s of waiting`,
    {
      hint: Hint.of`${advice}${end}`,
    },
  );
}

/** A session that builds an index needs no run any more. */
function waysToEnd(pid: number, progress: StatementProgress | null): string {
  return progress === null
    ? `, or end that session: SELECT pg_terminate_backend(${pid});`
    : `. It builds an index, with its run or without; to stop it and lose that work: SELECT pg_cancel_backend(${pid});`;
}
