import { tokenize } from "./lexer.ts";
import { maskSecrets } from "./mask.ts";

/** As much of a text as is looked at: what is shown of it is far shorter. */
const LOOKED_AT = 4_000;

/** The beginning of SQL on one line, without its comments, passwords masked: for a list of what a server runs. */
export function oneLine(sql: string, longest: number): string {
  const start = sql.slice(0, LOOKED_AT);
  const tokens = tokenize(start);
  // Half a secret would not be known for one.
  if (start.length < sql.length) tokens.pop();
  let text = "";
  let end = 0;
  for (const token of tokens) {
    if (token.kind === "comment") continue;
    text += `${token.start > end ? " " : ""}${sql.slice(token.start, token.end)}`;
    end = token.end;
  }
  return maskSecrets(text).replace(/\s+/g, " ").trim().slice(0, longest);
}
