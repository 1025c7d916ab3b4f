import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { TestDatabase } from "../support/database.ts";

/** Code of an application: statements about one row. The second argument is another number each time. */
export type Code = (id: number, n: number) => readonly string[];

const SESSIONS = 3;

/** An application that reads and writes all the time, in several sessions, as one or two versions of its code do. */
export class Application {
  readonly #sessions: readonly pg.Client[];
  readonly #work: Promise<unknown>;
  readonly #rows: number;
  #codes: readonly Code[];
  #isOver = false;
  #count = 0;
  /** What the server has refused. */
  readonly failures: string[] = [];
  /** Milliseconds of the statement that has taken longest. */
  slowestMs = 0;

  private constructor(sessions: readonly pg.Client[], rows: number, code: Code) {
    this.#sessions = sessions;
    this.#rows = rows;
    this.#codes = [code];
    this.#work = Promise.all(sessions.map((session) => this.#run(session)));
  }

  static async start(db: TestDatabase, rows: number, code: Code): Promise<Application> {
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => db.client()));
    return new Application(sessions, rows, code);
  }

  /** Runs these versions from now on, and waits until each session has worked with them for a while. */
  async runs(...codes: readonly Code[]): Promise<void> {
    this.#codes = codes;
    await this.works();
  }

  async works(): Promise<void> {
    const until = this.#count + 20 * SESSIONS;
    while (this.#count < until && this.failures.length === 0) await sleep(5);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
    for (const session of this.#sessions) await session.end();
  }

  async #run(session: pg.Client): Promise<void> {
    while (!this.#isOver && this.failures.length === 0) {
      this.#count += 1;
      const code = this.#codes[this.#count % this.#codes.length];
      const id = 1 + Math.floor(Math.random() * this.#rows);
      const statements = code?.(id, this.#count) ?? [];
      const isTransaction = this.#count % 2 === 0;
      for (const sql of isTransaction ? ["BEGIN", ...statements, "COMMIT"] : statements)
        await this.#ask(session, sql);
      await sleep(1);
    }
  }

  async #ask(session: pg.Client, sql: string): Promise<void> {
    const startedAt = performance.now();
    await session.query(sql).catch((error: unknown) => this.failures.push(`${String(error)}: ${sql}`));
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
  }
}
