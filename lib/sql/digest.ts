import { createHash } from "node:crypto";
import type { Token } from "./lexer.ts";
import { scanStatements } from "./split.ts";
import { type Gap, type StringStyle, stringEnd } from "./token-ends.ts";

/** Stored with each digest; must be increased when the same SQL would get another digest. */
export const DIGEST_VERSION = 1;

/**
 * SHA-256 (hex) of the tokens of all statements. Ignores comments, white space, line endings, empty statements,
 * semicolons between statements, and how statements are distributed over steps. Letter case counts.
 *
 * A token is hashed as its length, a colon and its text; a statement ends with a semicolon. No length begins with a
 * semicolon, so the input is unambiguous. (The hash reads UTF-8, where all lone surrogates are the same replacement
 * character, as in what the server receives.)
 */
export function sqlDigest(steps: readonly string[]): string {
  const hash = createHash("sha256");
  let pending = "";
  const add = (text: string): void => {
    pending += text;
    if (pending.length < CHUNK) return;
    hash.update(pending);
    pending = "";
  };
  for (const step of steps) {
    scanStatements(step, {
      token: (token) => {
        const text = canonicalText(step, token);
        add(`${text.length}:${text}`);
      },
      end: () => add(";"),
    });
  }
  return hash.update(pending).digest("hex");
}

/** Hashing larger chunks is several times faster than hashing single tokens. */
const CHUNK = 65_536;

function canonicalText(sql: string, token: Token): string {
  const text = sql.slice(token.start, token.end);
  // A literal continues only after a line break.
  if (token.kind !== "string" || !/[\n\r]/.test(text)) return text.replace(/\r\n?/g, "\n");
  return joinedParts(text).replace(/\r\n?/g, "\n");
}

/**
 * 'a' and 'b' on separate lines are one literal; the gap between them becomes one line feed. They are not joined to
 * 'ab', which may differ in a literal with escapes (E'\1' and '2').
 */
function joinedParts(text: string): string {
  const open = text.search(/['$]/);
  if (text[open] !== "'") return text;
  const gaps: Gap[] = [];
  stringEnd(text, open, styleOf(text), gaps);
  let joined = "";
  let from = 0;
  for (const gap of gaps) {
    joined += `${text.slice(from, gap.start)}\n`;
    from = gap.end;
  }
  return joined + text.slice(from);
}

function styleOf(text: string): StringStyle {
  const first = text.charAt(0).toLowerCase();
  if (first === "e") return "escape";
  return first === "b" || first === "x" ? "bits" : "standard";
}
