import { once } from "node:events";
import pg from "pg";

/**
 * A text of SQL whose rows nobody wants. The driver would keep what every statement of it answers; here they are
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

  handleDataRow(): void {}

  handleCommandComplete(): void {
    this.#completed += 1;
  }
}
