/**
 * Removes secrets from everything that leaves a function: answers, errors and logs. This code puts none into them, but a
 * message of the server or the text of a migration may hold one.
 */
export interface Redactor {
  /** Removes this text from now on, also in the forms that it has in JSON, in a URL and in SQL. */
  hide(secret: string): void;
  /** Call it before the text is cut or quoted: half a secret, or one in more quotes than expected, would not be found. */
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

/** As people and programs write a text into other texts: SQL, connection strings, URLs, JSON, bytes as text. */
function formsOf(secret: string): readonly string[] {
  const url = new URL("postgres://user@host");
  url.password = secret;
  const query = new URLSearchParams({ "": secret }).toString().slice(1);
  const slashes = secret.replaceAll("\\", "\\\\");
  const code = [slashes, secret].map((text) => text.replaceAll("'", "\\'"));
  const encoded = [url.password, query, encodeURIComponent(secret), encodeURI(secret), strictly(secret)];
  const percent = encoded.flatMap((text) => [text, inLowerCase(text), encodeURIComponent(text)]);
  const plain = [...new Set([secret, slashes, ...code, secret.replaceAll('"', '""'), ...percent])];
  // A URL may stand in SQL and that in JSON, or the other way round: each of these may be quoted twice.
  const once = quotedAnyWay(plain);
  return [...new Set([...once, ...quotedAnyWay(once), ...asBytes(secret)])];
}

/** As they are, in SQL, in code, and in JSON of both kinds. */
function quotedAnyWay(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => [text, text.replaceAll("'", "''"), quote(text), inAscii(quote(text))]);
}

function quote(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** As programs write JSON that keep to ASCII. */
function inAscii(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `encodeURIComponent` leaves five characters that others do not. */
function strictly(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function inLowerCase(text: string): string {
  return text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
}

/** What is shorter is found in any text. */
const SHORTEST_PART = 6;

/** In hexadecimal, and in base64 on its own or behind something else, as a name and a colon. */
function asBytes(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString("hex");
  const parts = [0, 1, 2].map((before) => {
    const all = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    // The first characters and the last one depend on what stands beside the secret.
    const end = all.length - ((before + bytes.length) % 3 === 0 ? 0 : 1);
    return all.slice(before === 0 ? 0 : before + 1, end);
  });
  const base64 = [bytes.toString("base64"), ...parts.filter((part) => part.length >= SHORTEST_PART)];
  const forUrls = base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
  return hex.length < SHORTEST_PART ? [] : [hex, hex.toUpperCase(), ...base64, ...forUrls];
}
