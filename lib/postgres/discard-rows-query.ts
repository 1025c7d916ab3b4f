import { once } from "node:events";
import pg from "pg";
import { chunksOf } from "../sql/index.ts";

/**
 * A query whose rows are discarded. Completed statements are counted, which tells which one has failed. Unlike the driver's
 * queries, it neither keeps results nor encodes the whole text at once: a large text is in memory only once.
 */
export class DiscardRowsQuery extends pg.Query {
  readonly #texts: readonly string[];
  #completed = 0;
  #rowCount = 0;

  /** @param texts pieces of one SQL text */
  constructor(texts: readonly string[]) {
    super("");
    this.#texts = texts;
  }

  /** Number of completed statements. */
  get completed(): number {
    return this.#completed;
  }

  /** Number of rows that the last completed statement has written, or returned. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /** Resolves when the server is done with it; rejects with the driver's error. */
  async sendTo(client: pg.Client): Promise<void> {
    const done = once(this, "end");
    client.query(this);
    await done;
  }

  // The driver calls the following methods.

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

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#completed += 1;
    this.#rowCount = Number(/ (\d+)$/.exec(text)?.[1] ?? 0);
  }
}

/** The message "Query" of the protocol: a letter, the length without that letter, and the text with a zero at its end. */
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
