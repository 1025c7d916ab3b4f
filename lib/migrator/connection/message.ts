import type { MigrationError } from "../errors.ts";
import { codePointLength, codeUnitOffset } from "../sql/position.ts";
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
export interface Place extends Part {
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
   * Where the server refused it. Before anything is completed, it has read the whole, and tells a position in it. Later
   * the number of completed statements tells the part; a position may then be one in SQL of the server's own.
   * @param completed number of statements
   */
  placeOf(failure: Failure, completed: number): Place {
    const { position } = failure;
    const at = position === undefined ? undefined : this.#at(position);
    if (completed === 0 && at !== undefined) return at;
    const part = this.#after(completed);
    return part.text === at?.text ? at : { ...part, position: innerPosition(part.text, failure) };
  }

  #after(completed: number): Part {
    let left = completed;
    for (const { part } of this.#parts) {
      left -= splitStatements(part.text).length;
      if (left < 0) return part;
    }
    return this.#parts.at(-1)?.part ?? own(this.text);
  }

  /** @param position counts characters, from 1; what stands between two parts belongs to the one before it */
  #at(position: number): Place {
    const offset = codeUnitOffset(this.text, position - 1);
    const found = this.#parts.findLast(({ start }) => start <= offset) ?? this.#parts[0];
    if (found === undefined) return { ...own(this.text), position };
    const { part, start } = found;
    const within = codePointLength(this.text.slice(start, offset)) + 1;
    return { ...part, position: Math.min(within, codePointLength(part.text) + 1) };
  }
}

/** The position in a body of code, where a text holds that body once. */
export function innerPosition(text: string, { inner }: Failure): number | undefined {
  if (inner === undefined) return undefined;
  const start = text.indexOf(inner.query);
  if (start < 0 || text.indexOf(inner.query, start + 1) >= 0) return undefined;
  return codePointLength(text.slice(0, start)) + inner.position;
}

/**
 * As few messages as can be. A part that is not complete in itself, such as one with a quote that nothing closes, ends
 * its message: what follows would become a part of it, and the server's complaint would be about that. So does one that
 * may change how the server reads the next.
 */
export function messagesOf(title: string, parts: readonly Part[]): Message[] {
  const messages: Part[][] = [[]];
  for (const part of parts) {
    messages.at(-1)?.push(part);
    if (part.by === "migration" && !leavesTheRestAsItIs(part.text)) messages.push([]);
  }
  return messages.filter((group) => group.length > 0).map((group) => new Message(title, group));
}

/** Whether the server reads what follows this text in a message as it would read it alone. */
export function leavesTheRestAsItIs(text: string): boolean {
  return !CHANGES_READING.test(text) && isSelfContained(text);
}

const CHANGES_READING = /standard_conforming_strings|backslash_quote/i;

/** A server shows the beginning of what it runs: to whoever looks, this tells what it is about. */
function comment(title: string): string {
  return title === "" ? "" : `/* ${title.replace(/\*(?=\/)|\/(?=\*)/g, " ")} */\n`;
}
