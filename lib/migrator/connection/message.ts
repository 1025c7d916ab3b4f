import type { MigrationError } from "../errors.ts";
import { isSelfContained, splitStatements } from "../sql/split.ts";
import type { Failure } from "./failure.ts";

/** SQL that travels with other SQL in one message, and what it means when it fails. */
export interface Part {
  /** Several statements, or one, with or without a semicolon after the last. */
  readonly text: string;
  /** Who wrote it. What a migration has need not be complete in itself. */
  readonly by: "engine" | "migration";
  /** What a refusal of this part is to its user. Default: the refusal of its SQL. */
  readonly meaning?: (error: MigrationError) => MigrationError;
}

/** The SQL that failed, and where in it. */
export interface Place extends Pick<Part, "text" | "meaning"> {
  readonly position: number | undefined;
}

/** A part of the engine's own. */
export function own(text: string): Part {
  return { text, by: "engine" };
}

const BETWEEN = "\n;\n";

/**
 * Several parts as one text, which is one round trip. The server reads it as a whole before it runs any of it, and
 * runs nothing after a statement that fails: no part is ever run without those before it.
 */
export class Message {
  readonly text: string;
  readonly #parts: readonly { readonly part: Part; readonly start: number }[];

  constructor(title: string, parts: readonly Part[]) {
    let text = comment(title);
    this.#parts = parts.map((part) => {
      const start = text.length;
      text += part.text + BETWEEN;
      return { part, start };
    });
    this.text = text.slice(0, -BETWEEN.length);
  }

  /**
   * Where the server refused it. Most errors tell a position; the others came after the statements that were
   * completed.
   * @param completed number of statements
   */
  placeOf({ position }: Failure, completed: number): Place {
    return position === undefined ? this.#after(completed) : this.#at(position);
  }

  #after(completed: number): Place {
    let left = completed;
    for (const { part } of this.#parts) {
      left -= splitStatements(part.text).length;
      if (left < 0) return { ...part, position: undefined };
    }
    return { text: this.text, ...this.#parts.at(-1)?.part, position: undefined };
  }

  /** @param position counts characters, from 1; what stands between two parts belongs to the one before it */
  #at(position: number): Place {
    const before = this.#parts.findLast(({ start }) => length(this.text.slice(0, start)) < position);
    const found = before ?? this.#parts[0];
    if (found === undefined) return { text: this.text, position };
    const within = position - length(this.text.slice(0, found.start));
    return { ...found.part, position: Math.min(within, length(found.part.text) + 1) };
  }
}

/**
 * As few messages as can be. A part that is not complete in itself, such as one with a quote that nothing closes, ends
 * its message: what follows would become a part of it, and the server's complaint would be about that.
 */
export function messagesOf(title: string, parts: readonly Part[]): Message[] {
  const messages: Part[][] = [[]];
  for (const part of parts) {
    messages.at(-1)?.push(part);
    if (part.by === "migration" && !isSelfContained(part.text)) messages.push([]);
  }
  return messages.filter((group) => group.length > 0).map((group) => new Message(title, group));
}

/** A server shows the beginning of what it runs: to whoever looks, this tells what it is about. */
function comment(title: string): string {
  return title === "" ? "" : `/* ${title.replace(/\*(?=\/)|\/(?=\*)/g, " ")} */\n`;
}

/** In characters as the server counts them. */
function length(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
