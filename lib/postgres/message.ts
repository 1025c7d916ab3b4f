import type { MigrationError } from "../core/index.ts";
import { codePointLength, codeUnitOffset, isSelfContained, splitStatements } from "../sql/index.ts";
import type { Failure } from "./failure.ts";

/** SQL that travels with other SQL in one message, and what it means when it fails. */
export interface Part {
  /** Several statements, or one, with or without a semicolon after the last. */
  readonly text: string;
  /** Who wrote it. What a migration has need not be complete in itself. */
  readonly by: "engine" | "migration";
  /** What a refusal of this part is to its user. Default: the refusal of its SQL. */
  readonly meaning?: (error: MigrationError, failing: FailingStatement | undefined) => MigrationError;
}

/** The SQL that failed, and where in it. */
export interface Place extends Part {
  readonly position: number | undefined;
  readonly failing: FailingStatement | undefined;
}

/** One statement of a text. Offsets are UTF-16 code units in the text. */
export interface FailingStatement {
  /** From 0. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
  /** Where in it the error is: its beginning, when the server does not say. */
  readonly at: number;
}

/** @param completed number of statements of this text that were completed, where that is known */
export function placeIn(part: Part, failure: Failure, completed: number | undefined): Place {
  const position = failure.position ?? innerPosition(part.text, failure);
  return { ...part, position, failing: failingIn(part.text, failure, completed) };
}

/**
 * The statement that failed. The server's own position tells it; one in a body of code may be in the statement that
 * defined the code, and not in the one that ran it.
 */
function failingIn(
  text: string,
  failure: Failure,
  completed: number | undefined,
): FailingStatement | undefined {
  const statements = splitStatements(text);
  const position = failure.position ?? innerPosition(text, failure);
  const offset = position === undefined ? undefined : codeUnitOffset(text, position - 1);
  const isTold = failure.position !== undefined && offset !== undefined;
  const told = isTold
    ? Math.max(
        0,
        statements.findLastIndex(({ start }) => start <= offset),
      )
    : undefined;
  const index = told ?? (statements.length === 1 ? 0 : completed);
  const found = index === undefined ? undefined : statements[index];
  if (index === undefined || found === undefined) return undefined;
  const { start } = found;
  // Comments around a statement are no part of it, unless the error is in one, such as one that nothing closes.
  const rest = statements[index + 1]?.start ?? text.length;
  const end = isTold && offset > found.end ? rest : found.end;
  const isInside = offset !== undefined && offset >= start && (isTold || offset <= end);
  return { index, start, end, at: isInside ? Math.min(offset, end) : start };
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
  /** The whole, in pieces: put together, a large migration and its record would be in memory once more. */
  readonly texts: readonly string[];
  readonly #parts: readonly { readonly part: Part; readonly start: number }[];

  constructor(title: string, parts: readonly Part[]) {
    const head = comment(title);
    this.texts = [head, ...parts.flatMap(({ text }, index) => (index === 0 ? [text] : [BETWEEN, text]))];
    let start = head.length;
    this.#parts = parts.map((part) => {
      const placed = { part, start };
      start += part.text.length + BETWEEN.length;
      return placed;
    });
  }

  get text(): string {
    return this.texts.join("");
  }

  /**
   * Where the server refused it. Before anything is completed, it has read the whole, and tells a position in it. Later
   * the number of completed statements tells the part; a position may then be one in SQL of the server's own.
   * @param completed number of statements
   */
  placeOf(failure: Failure, completed: number): Place {
    const { position, ...rest } = failure;
    const at = position === undefined ? undefined : this.#at(position);
    const inPart = ({ position: within, ...part }: Part & { readonly position: number }): Place =>
      placeIn(part, { ...rest, position: within }, undefined);
    if (completed === 0 && at !== undefined) return inPart(at);
    const [part, before] = this.#after(completed);
    return part.text === at?.text ? inPart(at) : placeIn(part, rest, before);
  }

  /** The part that comes after so many statements, and how many of them are its own. */
  #after(completed: number): readonly [part: Part, own: number] {
    let left = completed;
    for (const { part } of this.#parts) {
      const { length } = splitStatements(part.text);
      if (left < length) return [part, left];
      left -= length;
    }
    return [this.#parts.at(-1)?.part ?? own(this.text), left];
  }

  /** @param position counts characters, from 1; what stands between two parts belongs to the one before it */
  #at(position: number): Part & { readonly position: number } {
    const { text } = this;
    const offset = codeUnitOffset(text, position - 1);
    const found = this.#parts.findLast(({ start }) => start <= offset) ?? this.#parts[0];
    if (found === undefined) return { ...own(text), position };
    const { part, start } = found;
    const within = codePointLength(text.slice(start, offset)) + 1;
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
function leavesTheRestAsItIs(text: string): boolean {
  return !CHANGES_READING.test(text) && isSelfContained(text);
}

const CHANGES_READING = /standard_conforming_strings|backslash_quote/i;

/** A server shows the beginning of what it runs: to whoever looks, this tells what it is about. */
function comment(title: string): string {
  return title === "" ? "" : `/* ${title.replace(/\*(?=\/)|\/(?=\*)/g, " ")} */\n`;
}
