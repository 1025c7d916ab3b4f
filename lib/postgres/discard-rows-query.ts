import { once } from "node:events";
import pg from "pg";
import { chunksOf } from "../sql/index.ts";

/**
 * A text of SQL whose rows nobody wants. The driver would keep what every statement of it answers; here statements are
 * only counted, because that tells which one an error is about. The driver would also encode the whole text at once;
 * here it is encoded as fast as it is sent, so that a large one is not in memory a second time.
 */
export class Script extends pg.Query {
  readonly #texts: readonly string[];
  #completed = 0;

  /** @param texts that are one when they are put together */
  constructor(texts: readonly string[]) {
    super("");
    this.#texts = texts;
  }

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

  override readonly submit = ({ stream }: pg.Connection): void => {
    const buffers = encoded(this.#texts);
    const write = (): void => {
      while (stream.writable) {
        const { value, done } = buffers.next();
        if (done === true) return;
        if (!stream.write(value)) {
          stream.once("drain", write);
          return;
        }
      }
    };
    write();
  };

  handleRowDescription(): void {}

  handleDataRow(): void {}

  handleCommandComplete(): void {
    this.#completed += 1;
  }
}

/** The message "Query" of the protocol: its letter, its length without the letter, and a text that ends with a zero. */
function* encoded(texts: readonly string[]): Generator<Buffer, undefined> {
  const terminated = [...texts, "\0"];
  const header = Buffer.from("Q\0\0\0\0");
  header.writeInt32BE(
    terminated.reduce((length, text) => length + Buffer.byteLength(text), 4),
    1,
  );
  let before = [header];
  for (const piece of chunksOf(terminated)) {
    yield Buffer.concat([...before, Buffer.from(piece)]);
    before = [];
  }
  return undefined;
}
