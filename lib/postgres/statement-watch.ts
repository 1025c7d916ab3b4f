import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { SessionInfo, StatementProgress } from "../core/index.ts";
import { findBlockers } from "./activity.ts";
import { endClient } from "./connect.ts";
import { readProgress } from "./progress.ts";

export interface StatementWatchSetup {
  readonly connect: (signal: AbortSignal) => Promise<pg.Client>;
  readonly pid: number;
  /** Milliseconds between two checks. */
  readonly intervalMs: number;
  readonly onBlocked: (blockers: readonly SessionInfo[]) => void;
}

/** Is told how far a statement has come, with each check. */
export type OnProgress = (progress: StatementProgress) => void;

/**
 * Finds out which sessions block a running statement, and how far it has come, over a second connection that is made on
 * demand. After a lock timeout the server no longer knows who blocked it.
 */
export class StatementWatch {
  readonly #setup: StatementWatchSetup;
  readonly #ended = new AbortController();
  #client: Promise<pg.Client> | undefined;
  /** The running check. */
  #checking: Promise<void> | undefined;
  /** Time of the next check after a failed one. */
  #notBefore = 0;
  #seen: readonly SessionInfo[] = [];
  #onProgress: OnProgress | undefined;

  constructor(setup: StatementWatchSetup) {
    this.#setup = setup;
  }

  /** Watches while `work` runs. */
  async during<T>(work: () => Promise<T>, onProgress?: OnProgress): Promise<T> {
    this.#seen = [];
    this.#onProgress = onProgress;
    const timer = setInterval(() => this.#startCheck(), this.#setup.intervalMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      // A running check may still find the blocker. It is not awaited for long.
      if (this.#checking !== undefined)
        await Promise.race([this.#checking, sleep(500, undefined, { ref: false })]);
    }
  }

  /** The sessions that were found to block the last statement. */
  get blockers(): readonly SessionInfo[] {
    return this.#seen;
  }

  /** Aborts a running attempt to connect, and ends the connection. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#client?.then(endClient).catch(() => {});
  }

  /** Starts a check unless one is running. */
  #startCheck(): void {
    if (this.#checking !== undefined || performance.now() < this.#notBefore) return;
    this.#checking = this.#check().finally(() => {
      this.#checking = undefined;
    });
  }

  /** A failed check must not fail the run, for example when the server has no connection left. */
  async #check(): Promise<void> {
    try {
      this.#client ??= this.#setup.connect(this.#ended.signal);
      const client = await this.#client;
      this.#noteBlockers(await findBlockers(client, this.#setup.pid));
      const onProgress = this.#onProgress;
      const progress = onProgress && (await readProgress(client, this.#setup.pid));
      // A check may end after its statement, which another one may have followed.
      if (progress !== undefined && onProgress === this.#onProgress) onProgress?.(progress);
    } catch {
      const failed = this.#client;
      this.#client = undefined;
      this.#notBefore = performance.now() + PAUSE_MS;
      await failed?.then(endClient).catch(() => {});
    }
  }

  #noteBlockers(blockers: readonly SessionInfo[]): void {
    if (blockers.length === 0) return;
    const known = new Set(this.#seen.map(({ pid }) => pid));
    this.#seen = blockers;
    if (blockers.some(({ pid }) => !known.has(pid))) this.#setup.onBlocked(blockers);
  }
}

/** Milliseconds between a failed check and the next one. */
const PAUSE_MS = 5_000;
