import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { SessionInfo } from "../core/index.ts";
import { findBlockers } from "./activity.ts";
import { endClient } from "./connect.ts";

export interface BlockerWatchSetup {
  readonly connect: (signal: AbortSignal) => Promise<pg.Client>;
  readonly pid: number;
  /** Milliseconds after which a statement is looked at, and between looks. */
  readonly intervalMs: number;
  readonly onBlocked: (blockers: readonly SessionInfo[]) => void;
}

/**
 * Looks, over a second connection made only when it is needed, at who keeps a statement waiting. Once a statement
 * has given up, the server no longer knows.
 */
export class BlockerWatch {
  readonly #setup: BlockerWatchSetup;
  readonly #ended = new AbortController();
  #client: Promise<pg.Client> | undefined;
  /** The look that is under way. */
  #looking: Promise<void> | undefined;
  /** When the next look makes sense, after one that failed. */
  #notBefore = 0;
  #seen: readonly SessionInfo[] = [];

  constructor(setup: BlockerWatchSetup) {
    this.#setup = setup;
  }

  /** Watches while `work` is under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#seen = [];
    const timer = setInterval(() => this.#start(), this.#setup.intervalMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      // A look that is under way may name the blocker; one that gets no answer is not worth waiting for.
      if (this.#looking !== undefined)
        await Promise.race([this.#looking, sleep(500, undefined, { ref: false })]);
    }
  }

  /** Who blocked the last statement that was watched, as far as was seen. */
  get blockers(): readonly SessionInfo[] {
    return this.#seen;
  }

  /** Gives up what is under way: on a network that is gone, a connection attempt takes as long as it may. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#client?.then(endClient).catch(() => {});
  }

  /** One look at a time. */
  #start(): void {
    if (this.#looking !== undefined || performance.now() < this.#notBefore) return;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Knowing who blocks is a courtesy: a server without a connection to spare must not fail the run. */
  async #look(): Promise<void> {
    try {
      this.#client ??= this.#setup.connect(this.#ended.signal);
      const found = await findBlockers(await this.#client, this.#setup.pid);
      if (found.length === 0) return;
      const known = new Set(this.#seen.map(({ pid }) => pid));
      this.#seen = found;
      if (found.some(({ pid }) => !known.has(pid))) this.#setup.onBlocked(found);
    } catch {
      const failed = this.#client;
      this.#client = undefined;
      this.#notBefore = performance.now() + PAUSE_MS;
      await failed?.then(endClient).catch(() => {});
    }
  }
}

/** After a look that failed. */
const PAUSE_MS = 5_000;
