import type pg from "pg";

/** What the server has said of the message that it is working on, and of how it reads the next. */
export class Answers {
  #completed = 0;
  #standardStrings = true;

  constructor(client: pg.Client) {
    client.connection.on("commandComplete", () => {
      this.#completed += 1;
    });
    client.connection.on("parameterStatus", (status: unknown) => {
      if (field(status, "parameterName") !== "standard_conforming_strings") return;
      this.#standardStrings = field(status, "parameterValue") === "on";
    });
  }

  /** Statements that were completed since `begin`. */
  get completed(): number {
    return this.#completed;
  }

  /** Whether a backslash in `'...'` is a backslash. A message is read with the setting that stands before it. */
  get standardStrings(): boolean {
    return this.#standardStrings;
  }

  begin(): void {
    this.#completed = 0;
  }
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
