import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import {
  blockedBy,
  LOCK_MODES,
  type LockMode,
  type MeasureLimits,
  type SessionInfo,
} from "../../core/index.ts";
import {
  closeClient,
  presentable,
  SESSION_COLUMNS,
  type Session,
  type SessionRow,
} from "../../postgres/index.ts";

/** A granted lock of a session on a relation. */
export interface HeldLock {
  readonly oid: number;
  readonly mode: LockMode;
}

/** Why measuring was ended early. */
export type Stop =
  | { readonly kind: "waiting"; readonly session: SessionInfo }
  | { readonly kind: "budget" }
  | { readonly kind: "unguarded"; readonly error: unknown };

/** Locks of `pid` on relations that are no system catalogs, as `l`. */
export function locksOf(pid: number): string {
  return `pg_catalog.pg_locks AS l
    WHERE l.pid = ${pid} AND l.granted AND l.locktype = 'relation' AND l.relation >= ${FIRST_USER_OID}
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())`;
}

/** Postgres gives smaller numbers to what it makes itself. */
const FIRST_USER_OID = 16_384;

/** As `pg_locks` names modes: `AccessExclusiveLock`. */
export function lockModeOf(name: string): LockMode | undefined {
  return LOCK_MODES.find((mode) => `${mode.replaceAll(" ", "")}LOCK` === name.toUpperCase());
}

/**
 * Watches, over a second connection, that measuring does no harm. It cancels the measured statement when another session
 * has waited for one of its locks for too long, and when the budget is exceeded already.
 */
export class LockGuard {
  /** Sees what is committed: not what the measured session has made. */
  readonly client: pg.Client;
  readonly #session: Session;
  readonly #limits: MeasureLimits;
  /** Milliseconds that the migration has worked. */
  readonly #clock: () => number;
  readonly #ended = new AbortController();
  readonly #work: Promise<void>;
  readonly #firstSeen = new Map<string, number>();
  #locks: readonly HeldLock[] = [];
  #stopped: Stop | undefined;

  private constructor(client: pg.Client, session: Session, limits: MeasureLimits, clock: () => number) {
    this.client = client;
    this.#session = session;
    this.#limits = limits;
    this.#clock = clock;
    this.#work = this.#watch();
  }

  /** @throws MigrationError with a connection code: without a guard nothing is measured */
  static async open(session: Session, limits: MeasureLimits, clock: () => number): Promise<LockGuard> {
    const opening = new AbortController();
    return new LockGuard(await session.openBeside(opening.signal), session, limits, clock);
  }

  get stopped(): Stop | undefined {
    return this.#stopped;
  }

  /** The locks on committed relations when it looked last. */
  get locks(): readonly HeldLock[] {
    return this.#locks;
  }

  /** The locks of each migration count from its own beginning. */
  startMigration(): void {
    this.#firstSeen.clear();
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#work;
    await closeClient(this.client);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted && this.#stopped === undefined) {
      try {
        await this.#check();
      } catch (error) {
        this.#stopped = { kind: "unguarded", error };
      }
      await sleep(CHECK_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #check(): Promise<void> {
    const locks = await this.#readLocks();
    this.#locks = locks;
    const stop = (await this.#findWaiting()) ?? this.#findOverBudget(locks);
    if (stop === undefined) return;
    this.#stopped = stop;
    await this.client.query("SELECT pg_catalog.pg_cancel_backend($1)", [this.#session.pid]);
  }

  async #readLocks(): Promise<HeldLock[]> {
    const { rows } = await this.client.query<{ oid: number; mode: string }>(
      `SELECT c.oid, l.mode FROM pg_catalog.pg_class AS c, ${locksOf(this.#session.pid)} AND c.oid = l.relation AND c.relkind <> 't'`,
    );
    return rows.flatMap(({ oid, mode: name }) => {
      const mode = lockModeOf(name);
      return mode === undefined ? [] : [{ oid, mode }];
    });
  }

  /** A session that has waited for this one for too long. Autovacuum gives way by itself. */
  async #findWaiting(): Promise<Stop | undefined> {
    const { lockTimeoutMs, maxLockMs = 0 } = this.#limits;
    const { rows } = await this.client.query<SessionRow>(
      `SELECT ${SESSION_COLUMNS} FROM pg_catalog.pg_locks AS w JOIN pg_catalog.pg_stat_activity AS a ON a.pid = w.pid
       WHERE NOT w.granted AND a.backend_type = 'client backend'
         AND w.waitstart < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1)
         AND $2 = ANY (pg_catalog.pg_blocking_pids(w.pid))
       ORDER BY w.waitstart LIMIT 1`,
      [Math.max(lockTimeoutMs, maxLockMs) / 1_000, this.#session.pid],
    );
    return rows[0] && { kind: "waiting", session: presentable(rows[0]) };
  }

  #findOverBudget(locks: readonly HeldLock[]): Stop | undefined {
    const { maxLockMs } = this.#limits;
    if (maxLockMs === undefined) return undefined;
    const now = this.#clock();
    for (const { oid, mode } of locks) {
      if (blockedBy(mode) === "schema changes") continue;
      const key = `${oid} ${mode}`;
      const since = this.#firstSeen.get(key) ?? now;
      this.#firstSeen.set(key, since);
      if (now - since > maxLockMs) return { kind: "budget" };
    }
    return undefined;
  }
}

const CHECK_MS = 50;
