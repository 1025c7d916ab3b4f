import { once } from "node:events";
import pg from "pg";

/**
 * A text of SQL whose rows nobody wants. The driver would keep what every statement of it answers; here statements are
 * only counted, because that tells which one an error is about.
 */
export class Script extends pg.Query {
  #completed = 0;

  /** Statements that were completed. */
  get completed(): number {
    return this.#completed;
  }

  /** Resolves when the server is done with it; rejects with the driver's error. */
  async sendTo(client: pg.Client): Promise<void> {
    const done = once(this, "end");
    client.query(this);
    await done;
  }

  // What the driver calls.

  handleRowDescription(): void {}

  handleDataRow(_row: { readonly fields: readonly (string | null)[] }): void {}

  handleCommandComplete(): void {
    this.#completed += 1;
  }
}

/** A text whose last statements answer nothing but, some of them, what time it is. */
export class TimedScript extends Script {
  /** Asks for the time; a numeric, which no setting shows in another way. */
  static readonly CLOCK = "SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp())";
  readonly #seconds: number[] = [];

  /** Milliseconds between one answer and the next. */
  get elapsedMs(): number[] {
    return this.#seconds.slice(1).map((at, index) => 1000 * (at - (this.#seconds[index] ?? at)));
  }

  override handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.#seconds.push(Number(fields[0]));
  }
}
