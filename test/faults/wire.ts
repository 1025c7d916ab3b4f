/** What the proxy has to understand of the Postgres protocol: where messages begin and end, and a few of them. */

/** What a client sends and then waits for: a query, or a group that ends with Sync. */
export interface ClientUnit {
  /** `setup`: what happens before the session is ready; `bye`: Terminate. */
  readonly kind: "setup" | "request" | "bye";
  readonly bytes: Buffer;
  /** The SQL of a request. */
  readonly text: string;
}

/** Cuts the bytes of a client into units. */
export class ClientStream {
  #rest = Buffer.alloc(0);
  #started = false;
  #group: Buffer[] = [];
  #text = "";

  push(chunk: Buffer): ClientUnit[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const units: ClientUnit[] = [];
    for (;;) {
      const message = this.#next();
      if (message === undefined) return units;
      const unit = this.#unit(message);
      if (unit !== undefined) units.push(unit);
    }
  }

  /** The first message of a connection has no type byte. */
  #next(): Buffer | undefined {
    const header = this.#started ? 1 : 0;
    if (this.#rest.length < header + 4) return undefined;
    const size = header + this.#rest.readInt32BE(header);
    if (this.#rest.length < size) return undefined;
    const message = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return message;
  }

  #unit(message: Buffer): ClientUnit | undefined {
    if (!this.#started) {
      this.#started = true;
      return { kind: "setup", bytes: message, text: "" };
    }
    const type = String.fromCharCode(message[0] ?? 0);
    if (type === "p") return { kind: "setup", bytes: message, text: "" };
    if (type === "X") return { kind: "bye", bytes: message, text: "" };
    if (type === "Q") return { kind: "request", bytes: message, text: textAt(message, 5) };
    // Parse: the name of the statement, then its text.
    if (type === "P") this.#text = textAt(message, message.indexOf(0, 5) + 1);
    this.#group.push(message);
    if (type !== "S") return undefined;
    const unit = { kind: "request", bytes: Buffer.concat(this.#group), text: this.#text } as const;
    this.#group = [];
    return unit;
  }
}

function textAt(message: Buffer, start: number): string {
  return message.toString("utf8", start, message.indexOf(0, start));
}

export interface ServerMessage {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts the bytes of a server into messages. */
export class ServerStream {
  #rest = Buffer.alloc(0);

  push(chunk: Buffer): ServerMessage[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: ServerMessage[] = [];
    while (this.#rest.length >= 5 && this.#rest.length > this.#rest.readInt32BE(1)) {
      const size = 1 + this.#rest.readInt32BE(1);
      const bytes = this.#rest.subarray(0, size);
      messages.push({ type: String.fromCharCode(bytes[0] ?? 0), bytes });
      this.#rest = this.#rest.subarray(size);
    }
    return messages;
  }
}

/** The process id in a BackendKeyData message. */
export function backendPid({ bytes }: ServerMessage): number {
  return bytes.readInt32BE(5);
}
