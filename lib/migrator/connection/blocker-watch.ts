import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { SessionInfo } from "../events.ts";
import { findBlockers } from "./activity.ts";
import { endClient } from "./connect.ts";

export interface BlockerWatchSetup {
  readonly connect: () => Promise<pg.Client>;
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
  #client: Promise<pg.Client> | undefined;
  #seen: readonly SessionInfo[] = [];

  constructor(setup: BlockerWatchSetup) {
    this.#setup = setup;
  }

  /** Watches while `work` is under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#seen = [];
    let look: Promise<void> | undefined;
    const timer = setInterval(() => {
      look = (look ?? Promise.resolve()).then(() => this.#look());
    }, this.#setup.intervalMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      // A look that is under way may name the blocker; one that gets no answer is not worth waiting for.
      if (look !== undefined) await Promise.race([look, sleep(500, undefined, { ref: false })]);
    }
  }

  /** Who blocked the last statement that was watched, as far as was seen. */
  get blockers(): readonly SessionInfo[] {
    return this.#seen;
  }

  async end(): Promise<void> {
    await this.#client?.then(endClient).catch(() => {});
  }

  /** Knowing who blocks is a courtesy: a server without a connection to spare must not fail the run. */
  async #look(): Promise<void> {
    try {
      this.#client ??= this.#setup.connect();
      const found = await findBlockers(await this.#client, this.#setup.pid);
      if (found.length === 0) return;
      const known = new Set(this.#seen.map(({ pid }) => pid));
      this.#seen = found;
      if (found.some(({ pid }) => !known.has(pid))) this.#setup.onBlocked(found);
    } catch {
      this.#client = undefined;
    }
  }
}
