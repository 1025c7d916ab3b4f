import type { MigrationError } from "../core/index.ts";
import { codePointLength, codeUnitOffset, isSelfContained, splitStatements } from "../sql/index.ts";
import type { Failure } from "./failure.ts";

/** SQL that is sent with other SQL in one message, and how its failure is explained. */
export interface Part {
  /** Several statements, or one, with or without a semicolon after the last. */
  readonly text: string;
  /** Its author. SQL of a migration need not be complete, for example when a quote is not closed. */
  readonly by: "engine" | "migration";
  /** Explains a failure of this part. @default - the error of the SQL */
  readonly meaning?: (error: MigrationError, failing: FailingStatement | undefined) => MigrationError;
}

/** The SQL that failed, and the place in it. */
export interface Place extends Part {
  readonly position: number | undefined;
  readonly failing: FailingStatement | undefined;
}

/** One statement of a text. Offsets are UTF-16 code units in the text. */
export interface FailingStatement {
  /** Index from 0. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
  /** Position of the error: the beginning of the statement if the server gives none. */
  readonly at: number;
}

/** @param completed number of statements of this text that were completed, where that is known */
export function placeIn(part: Part, failure: Failure, completed: number | undefined): Place {
  const position = failure.position ?? innerPosition(part.text, failure);
  return { ...part, position, failing: failingIn(part.text, failure, completed) };
}

/**
 * Finds the failed statement by the position in the error. (A position inside a body of code may belong to the statement
 * that defined the code, and not to the one that ran it.)
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
  // Comments around a statement are no part of it, unless the error is in one, for example in one that is not closed.
  const rest = statements[index + 1]?.start ?? text.length;
  const end = isTold && offset > found.end ? rest : found.end;
  const isInside = offset !== undefined && offset >= start && (isTold || offset <= end);
  return { index, start, end, at: isInside ? Math.min(offset, end) : start };
}

/** A part with SQL of the engine. */
export function own(text: string): Part {
  return { text, by: "engine" };
}

const BETWEEN = "\n;\n";

/**
 * Several parts as one text, which take one round trip. The server parses the whole text before it runs any of it, and
 * stops at a statement that fails: no part runs without those before it.
 */
export class Message {
  /** Pieces of the text. Joining them would copy a large migration and its record in memory. */
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
   * Finds the place of a failure. While no statement is completed, the position counts in the whole text. Later the number
   * of completed statements tells the part, and a position may be in SQL that the server ran inside the statement.
   * @param completed number of completed statements
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

  /** The part after so many statements, and the number of completed statements in it. */
  #after(completed: number): readonly [part: Part, own: number] {
    let left = completed;
    for (const { part } of this.#parts) {
      const { length } = splitStatements(part.text);
      if (left < length) return [part, left];
      left -= length;
    }
    return [this.#parts.at(-1)?.part ?? own(this.text), left];
  }

  /** @param position counts characters from 1. Text between two parts belongs to the first one. */
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

/** The position of an error in a body of code, if the text contains that body exactly once. */
export function innerPosition(text: string, { inner }: Failure): number | undefined {
  if (inner === undefined) return undefined;
  const start = text.indexOf(inner.query);
  if (start < 0 || text.indexOf(inner.query, start + 1) >= 0) return undefined;
  return codePointLength(text.slice(0, start)) + inner.position;
}

/**
 * Puts parts together in as few messages as possible. A part that is not complete, for example with a quote that is not
 * closed, ends its message: the next part would become a part of it. So does one that may change how the server reads the
 * next part.
 */
export function messagesOf(title: string, parts: readonly Part[]): Message[] {
  const messages: Part[][] = [[]];
  for (const part of parts) {
    messages.at(-1)?.push(part);
    if (part.by === "migration" && !isIndependent(part.text)) messages.push([]);
  }
  return messages.filter((group) => group.length > 0).map((group) => new Message(title, group));
}

/** Whether the server reads text after this one in a message as it would read it alone. */
function isIndependent(text: string): boolean {
  return !CHANGES_READING.test(text) && isSelfContained(text);
}

const CHANGES_READING = /standard_conforming_strings|backslash_quote/i;

/** A title for `pg_stat_activity`, which shows the beginning of a message. */
function comment(title: string): string {
  return title === "" ? "" : `/* ${title.replace(/\*(?=\/)|\/(?=\*)/g, " ")} */\n`;
}
