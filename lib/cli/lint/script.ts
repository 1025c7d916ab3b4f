import type { Node } from "libpg-query";
import { maskQuoted } from "../../migrator/index.ts";
import type { Parser } from "./parser.ts";

/** One statement that a migration would send. */
export interface ScriptStatement {
  readonly node: Node;
  /** The text that holds it, as it would be sent. */
  readonly step: string;
  /** Where the statement begins in `step`. */
  readonly start: number;
  /** The statement as it would be sent, its comments blanked: places in it are places in `step`. It may hold secrets. */
  readonly text: string;
}

/** All SQL of one direction of a migration. */
export interface Script {
  readonly transactional: boolean;
  readonly statements: readonly ScriptStatement[];
  /** The text that PostgreSQL's parser refuses; the statements are then not all there. */
  readonly broken: BrokenStep | null;
}

export interface BrokenStep {
  readonly step: string;
  readonly offset: number;
  readonly message: string;
}

export function readScript(parser: Parser, steps: readonly string[], transactional: boolean): Script {
  const statements: ScriptStatement[] = [];
  for (const step of steps) {
    const parsed = parser.parse(step);
    if (parsed.kind === "error") {
      const { offset } = parsed;
      const message = maskQuoted(parsed.message, step);
      return { transactional, statements, broken: { step, offset, message } };
    }
    const plain = blank(step, parsed.comments);
    for (const { node, start, end } of parsed.statements) {
      statements.push({ node, step, start, text: plain.slice(start, end) });
    }
  }
  return { transactional, statements, broken: null };
}

/**
 * Comments hold squawk's own way to silence it, which asks for no reason; ours does. Every character becomes a
 * blank, so that positions stay right.
 */
function blank(sql: string, spans: readonly { readonly start: number; readonly end: number }[]): string {
  const parts: string[] = [];
  let copied = 0;
  for (const { start, end } of spans) {
    parts.push(sql.slice(copied, start), sql.slice(start, end).replace(/[^\r\n]/g, " "));
    copied = end;
  }
  return parts.join("") + sql.slice(copied);
}
