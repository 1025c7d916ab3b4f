/**
 * The last fence around secrets: whatever leaves a function goes through here, and what it was told of is taken out.
 * Errors and logs hold no secret in the first place; a server's message or a migration's own text may.
 */
export interface Redactor {
  /** From now on this text is taken out, also as it looks in JSON, in a URL and in SQL. */
  hide(secret: string): void;
  /** Before the text is cut or quoted: half a secret, or one in more quotes than expected, would not be found. */
  redact(text: string): string;
  /** All strings in a value that is about to become JSON. */
  redactAll(value: unknown): unknown;
}

const HIDDEN = "********";

export function createRedactor(): Redactor {
  const hidden = new Set<string>();
  const redact = (text: string): string => {
    // Longer ones first: one form may be part of another.
    const forms = [...hidden].toSorted((a, b) => b.length - a.length);
    return forms.reduce((rest, form) => rest.replaceAll(form, HIDDEN), text);
  };
  const redactAll = (value: unknown): unknown => {
    if (typeof value === "string") return redact(value);
    if (Array.isArray(value)) return value.map(redactAll);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, held]) => [redact(key), redactAll(held)]));
  };
  return {
    hide(secret) {
      if (secret !== "") for (const form of formsOf(secret)) hidden.add(form);
    },
    redact,
    redactAll,
  };
}

/** As people and programs write a text into other texts. */
function formsOf(secret: string): readonly string[] {
  const url = new URL("postgres://user@host");
  url.password = secret;
  const query = new URLSearchParams({ "": secret }).toString().slice(1);
  const plain = [secret, url.password, query, encodeURIComponent(secret), encodeURI(secret)];
  // A URL may stand in SQL and that in JSON, or the other way round: each of these may be quoted twice.
  const once = quotedAnyWay(plain);
  return [...new Set([...once, ...quotedAnyWay(once)])];
}

/** As they are, in SQL and in JSON. */
function quotedAnyWay(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => [text, text.replaceAll("'", "''"), quote(text)]);
}

function quote(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
