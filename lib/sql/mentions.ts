import { isKeyword, scan } from "./lexer.ts";
import { someStatement } from "./split.ts";

/**
 * Whether SQL names a relation: as an identifier, or as a word of a string, which may be code. Comments do not count. The
 * schema is not looked at, so that SQL which names another table of that name counts too.
 */
export function mentions(sql: string, name: string): boolean {
  const quoted = `"${name.replaceAll('"', '""')}"`;
  // Fast path: most migrations are about other tables.
  if (!sql.toLowerCase().includes(quoted.slice(1, -1).toLowerCase())) return false;
  let isMentioned = false;
  scan(sql, ({ kind, start, end }) => {
    if (isMentioned) return;
    const text = sql.slice(start, end);
    if (kind === "word") isMentioned = text.toLowerCase() === name;
    if (kind === "quoted") isMentioned = text === quoted;
    if (kind === "string") isMentioned = wordsOf(text).includes(name.toLowerCase());
  });
  return isMentioned;
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_$]+/gu) ?? [];
}

/** Whether some statement runs code that is not in the text, so that the text does not tell what it changes. */
export function runsOtherCode(sql: string): boolean {
  return someStatement(sql, ([first]) =>
    ["do", "call", "select", "execute"].some((word) => isKeyword(sql, first, word)),
  );
}
