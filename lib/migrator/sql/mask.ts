import { tokenize } from "./lexer.ts";

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * SQL with the passwords in it masked: the literal after the word PASSWORD, and any literal that holds a
 * connection string. Every character becomes an asterisk, so that positions in the text stay right.
 */
export function maskSecrets(sql: string): string {
  const parts: string[] = [];
  let copied = 0;
  for (const { start, end } of secretLiterals(sql)) {
    parts.push(sql.slice(copied, start), sql.slice(start, end).replace(/[^'$\n]/gu, "*"));
    copied = end;
  }
  return parts.join("") + sql.slice(copied);
}

/** A server's message about `sql`, with the secrets of `sql` masked wherever the message quotes them. */
export function maskQuoted(message: string, sql: string): string {
  return secretLiterals(sql)
    .map(({ start, end }) => sql.slice(start, end).replace(/^[eEuU&]*('|\$\w*\$)|('|\$\w*\$);?\s*$/g, ""))
    .filter((secret) => secret !== "")
    .reduce((text, secret) => text.replaceAll(secret, "***"), message);
}

function secretLiterals(sql: string): Span[] {
  // Nearly all SQL holds no secret, and is not worth cutting into tokens.
  if (!/password|:\/\//i.test(sql)) return [];
  const found: Span[] = [];
  let afterPassword = false;
  for (const { kind, start, end } of tokenize(sql)) {
    if (kind === "comment") continue;
    const text = sql.slice(start, end);
    const named = kind === "string" || kind === "word" || kind === "quoted";
    if (afterPassword && named && !/^null$/i.test(text)) found.push({ start, end });
    else if (kind === "string") found.push(...secretsInside(text).map((span) => shift(span, start)));
    afterPassword = /^"?password"?$/i.test(text);
  }
  return found;
}

/** A connection string is secret as a whole. A quoted body of code is looked through as SQL. */
function secretsInside(literal: string): Span[] {
  if (/password\s*=\s*[^\s']|:\/\/[^\s/]*:[^\s/]*@/i.test(literal))
    return [{ start: 0, end: literal.length }];
  if (!/password/i.test(literal)) return [];
  const [open = ""] = /^(\$\w*\$|[eEuU&]*')/.exec(literal) ?? [];
  if (open.startsWith("$"))
    return secretLiterals(literal.slice(open.length, -open.length)).map((span) => shift(span, open.length));
  // Quotes inside quotes are doubled: too intricate to take apart, so nothing of it is shown.
  return /password\s+''/i.test(literal) ? [{ start: 0, end: literal.length }] : [];
}

function shift({ start, end }: Span, by: number): Span {
  return { start: start + by, end: end + by };
}
