import { once } from "node:events";
import pg from "pg";
import { chunksOf } from "../sql/literals.ts";

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

  handleRowDescription(_row: { readonly fields: readonly { readonly name: string }[] }): void {}

  handleDataRow(_row: { readonly fields: readonly (string | null)[] }): void {}

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

/** A text that asks, between its statements, what time it is, and whether something was done to the session. */
export class TimedScript extends Script {
  /** A numeric, which no setting shows in another way. */
  static readonly CLOCK = "SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp()) AS clock";
  /**
   * The same as long as no role and none of the server's settings is another; a library that is loaded may bring more of
   * them, and those that anybody may invent are not among them. Without an answer where event triggers are: what they
   * do to a session may be undone by the end.
   */
  static readonly TRACE =
    "SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger) THEN " +
    "pg_catalog.hashtextextended(pg_catalog.concat(session_user, current_user, (SELECT pg_catalog.string_agg(" +
    "pg_catalog.concat(name, setting), '' ORDER BY name) FROM pg_catalog.pg_settings " +
    "WHERE pg_catalog.texteq(source, 'default') IS FALSE)), 0) END AS trace";
  readonly #seconds: number[] = [];
  readonly #traces: (string | null)[] = [];
  #column: string | undefined;

  /** How often the time was told. */
  get told(): number {
    return this.#seconds.length;
  }

  /** Milliseconds between one time and the next. */
  get elapsedMs(): readonly number[] {
    return this.#seconds.slice(1).map((at, index) => 1000 * (at - (this.#seconds[index] ?? at)));
  }

  get traces(): readonly (string | null)[] {
    return this.#traces;
  }

  override handleRowDescription({ fields }: { readonly fields: readonly { readonly name: string }[] }): void {
    this.#column = fields[0]?.name;
  }

  override handleDataRow({ fields: [value = null] }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#column === "clock") this.#seconds.push(Number(value));
    if (this.#column === "trace") this.#traces.push(value);
  }
}
