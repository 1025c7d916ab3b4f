import type { Readable } from "node:stream";

/** Lines of a stream. A line `\0end <id>` is the process's word that it has written all of an invocation. */
export class Output {
  #rest = "";
  #closed = false;
  readonly #ended = new Set<string>();
  #onEnd: (() => void) | undefined;

  constructor(stream: Readable, onLine: (line: string) => void) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => this.#take(text, onLine));
    stream.once("close", () => {
      if (this.#rest !== "") onLine(this.#rest);
      this.#closed = true;
      this.#onEnd?.();
    });
  }

  /** All of the invocation has been read, or there is nothing more to read. */
  async read(id: string): Promise<void> {
    while (!this.#closed && !this.#ended.has(id)) {
      await new Promise<void>((resolve) => {
        this.#onEnd = resolve;
      });
    }
  }

  #take(text: string, onLine: (line: string) => void): void {
    const lines = `${this.#rest}${text}`.split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const [before = "", id] = line.split("\0end ");
      if (before !== "") onLine(before);
      if (id !== undefined) this.#ended.add(id);
    }
    this.#onEnd?.();
  }
}
