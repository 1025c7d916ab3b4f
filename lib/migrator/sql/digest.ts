import { createHash } from "node:crypto";
import type { Token } from "./lexer.ts";
import { type Gap, type StringStyle, stringEnd } from "./quoted.ts";
import { scanStatements } from "./split.ts";

/** Goes up whenever the same SQL would give another digest; stored beside the digest. */
export const DIGEST_VERSION = 1;

/**
 * SHA-256 (hex) over the tokens of all statements: blind to comments, white space, line endings, empty
 * statements, semicolons between statements, and to which step holds which statement. Letter case counts.
 *
 * Every token goes in as its length, a colon and its text, every statement ends with a semicolon; no length
 * begins with one, so two different lists never give the same input. (The hash reads UTF-8, in which all lone
 * surrogates are one character, as they are on their way to the server.)
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

/** Characters that are hashed at a time: each token alone would take several times as long. */
const CHUNK = 65_536;

function canonicalText(sql: string, token: Token): string {
  const text = sql.slice(token.start, token.end);
  // Without a line break there is neither a line ending to unify nor a literal that goes on after one.
  if (token.kind !== "string" || !/[\n\r]/.test(text)) return text.replace(/\r\n?/g, "\n");
  return joinedPieces(text).replace(/\r\n?/g, "\n");
}

/**
 * 'a' and 'b' on separate lines are one literal, and what parts them is no part of it: one line feed stands
 * for it. They are not glued to 'ab', which in a literal with escapes need not be the same (E'\1' and '2').
 */
function joinedPieces(text: string): string {
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
