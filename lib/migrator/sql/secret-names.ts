/** What stands in place of a secret, whatever its length. */
export const MASK = "********";

const KEY_OF =
  "api|access|secret|private|encryption|encrypt|decryption|signing|sign|master|auth|jwt|service_role|client|account|storage|shared|ssh|rsa|aes|hmac|webhook|symmetric|service|app|consumer|deploy|license";
const TOKEN_OF = "access|auth|refresh|api|bearer|id|session|csrf|reset|security|github|gitlab|npm";

/** A name that says its value is secret, in snake case. What comes after the word may only say in which form it is kept. */
const SECRET_NAME = new RegExp(
  `^(?!(?:is|has|had|needs|requires|require|use|uses|show|allow|must|can|no|without)_)` +
    `(?:.*(?:password|passwd|passphrase|passcode)|(?:.*_)?(?:pwd|pass|pw|pin_code|credentials?|secrets?|pem|` +
    `(?:${TOKEN_OF})?tokens?|(?:${KEY_OF})_?keys?|(?:client|app|api|shared)secret))` +
    `(?:_?(?:hash|hashed|digest|value|text|plain|plaintext|cleartext|encrypted|enc|salt|old|new|raw|\\d+))*$`,
);

/**
 * Nearly all SQL has none of these words, and is not worth cutting into tokens. Each secret that is looked for
 * comes with one of them.
 */
export const SECRET_HINT = new RegExp(
  `pass|pwd|(?:\\b|_)pw|secret|token|credential|pin_?code|\\bpem\\b|_pem\\b|(?:${KEY_OF})[_ -]?key|://|crypt|hmac|digest|pgp_|bearer|private key`,
  "i",
);

/** Twice what Postgres keeps of a name. */
const LONGEST_NAME = 126;

/** Whether the value that belongs to a name is a secret. Of a dotted name the last part counts. */
export function isSecretName(name: string): boolean {
  if (!SECRET_HINT.test(name)) return false;
  const last = name.slice(name.lastIndexOf(".") + 1).slice(-LONGEST_NAME);
  const snake = last
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return SECRET_NAME.test(snake);
}

/** Called with each secret that is taken out. */
export type OnSecret = (secret: string) => void;

type Rule = readonly [pattern: RegExp, replacement: (...groups: string[]) => string | undefined];

const QUOTED_VALUE = String.raw`'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?`;
/** What a program fills in later: it is no secret, and tells the reader where one will stand. */
const PLACEHOLDER = /^(?:%(?:\d+\$)?[sLI]|%|\$\d+|\$?\{[^}]*\}|\?|:\w+|\*+)[;,)]*$/;

/**
 * Masks the secrets of a text that is no SQL: connection strings, settings, JSON, keys, and SQL that a message
 * quotes. The rest stays as it is.
 */
export function maskText(text: string, onSecret: OnSecret = () => {}): string {
  return SECRET_HINT.test(text) ? applyRules(text, [...STRUCTURED, ...ASSIGNMENTS], onSecret) : text;
}

/** As `maskText`, for a text in which `name = value` may be code, where the value would be a name of something. */
export function maskTextInCode(text: string, onSecret: OnSecret = () => {}): string {
  return SECRET_HINT.test(text) ? applyRules(text, STRUCTURED, onSecret) : text;
}

function applyRules(text: string, rules: readonly Rule[], onSecret: OnSecret): string {
  return rules.reduce(
    (masked, [pattern, replacement]) =>
      masked.replace(pattern, (...found: unknown[]) => {
        const groups = found.map((group) => (typeof group === "string" ? group : ""));
        const [whole = "", before = "", secret = "", after = ""] = groups;
        if (secret === "" || PLACEHOLDER.test(secret)) return whole;
        const kept = replacement(before, secret, after);
        if (kept === undefined) return whole;
        onSecret(secret);
        return kept;
      }),
    text,
  );
}

const masked = (before: string, secret: string, after: string): string =>
  `${before}${maskOf(secret)}${after}`;

/** The name at the end of what stands before a value. */
function nameIn(before: string): string {
  return /([\w.-]+)[^\w]*$/.exec(before)?.[1] ?? "";
}

const maskedIfNamed = (before: string, secret: string, after: string): string | undefined =>
  isSecretName(nameIn(before)) ? masked(before, secret, after) : undefined;

/** Quotes stay, so that a reader and a parser see a value of the same kind. */
function maskedValue(before: string, value: string): string | undefined {
  if (!isSecretName(nameIn(before))) return undefined;
  const [quote = ""] = /^(?:''|["'])/.exec(value) ?? [];
  const content = value.slice(quote.length, value.endsWith(quote) ? value.length - quote.length : undefined);
  if (quote !== "" && content === "") return undefined;
  return `${before}${quote}${maskOf(content)}${quote}`;
}

const STRUCTURED: readonly Rule[] = [
  // A key in its armour, with or without its end.
  [
    /(-----BEGIN [A-Z ]*PRIVATE KEY-----)([\s\S]*?)(-----END [A-Z ]*PRIVATE KEY-----|$)/g,
    (before, secret, after) => masked(before, secret, after),
  ],
  // A text that is a URL and nothing else: a password may hold any character, up to the last @.
  [/^(\s*[a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*:)(\S+)(@[^@\s]*\s*)$/i, masked],
  [/((?<![\w+.-])[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/?#@'"]*:)([^\s"'<>]+)(@)/gi, masked],
  // JSON, also when it is a string inside of JSON.
  [
    /(\\{0,7}"[\w.-]{1,80}\\{0,7}"\s{0,9}:\s{0,9}\\{0,7}")((?:[^"\\]|\\(?!\\{0,6}"\s*(?:[,}\]]|$))[\s\S])+)(\\{0,7}"|$)/g,
    maskedIfNamed,
  ],
  [/(\\{0,7}"[\w.-]{1,80}\\{0,7}"\s{0,9}:\s{0,9})(-?\d[\d.eE+-]{0,40})()/g, maskedIfNamed],
  [/(<[\w.:-]{1,80}>)([^<]+)(<\/)/g, maskedIfNamed],
  [/(\bbearer\s+)([\w.~+/=-]{8,})()/gi, masked],
  // SQL in a message, or a piece of it in a literal.
  [/(\bpassword\s+(?:E|N|U&)?'')((?:[^']|''''){1,}?)('')/gi, masked],
  [/(\bpassword\s+(?:E|N|U&)?')((?:[^']|'')+)('|$)/gi, masked],
];

const ASSIGNMENTS: readonly Rule[] = [
  // A detail that names columns: Key (email, token)=(a, b) already exists.
  [/(Key \([^)]*\)=\()(.*)(\) )/g, maskedKey],
  [
    new RegExp(
      String.raw`((?:"[\w.-]{1,80}"|'[\w.-]{1,80}'|(?<![\w.-])[\w.-]{1,80})\s*(?:=>|:=|=)\s*)(${QUOTED_VALUE}|(?:\\.|[^\s'"\\])(?:\\.|[^\s"\\])*)`,
      "g",
    ),
    maskedValue,
  ],
  // A line of a settings file: one word after the colon. More than one is a sentence.
  [/(^[^\S\n]*(?:[-#/*][-#/* \t]*)?\w[\w.-]{0,79}:[^\S\n]+)([^\s:]+)([^\S\n]*)$/gm, maskedIfNamed],
];

function maskedKey(before: string, values: string, after: string): string | undefined {
  const columns = before.slice("Key (".length, -")=(".length).split(", ");
  if (!columns.some((column) => isSecretName(column.replaceAll('"', "")))) return undefined;
  const parts = values.split(", ");
  if (parts.length !== columns.length) return masked(before, values, after);
  const kept = parts.map((part, index) =>
    isSecretName((columns[index] ?? "").replaceAll('"', "")) ? MASK : part,
  );
  return `${before}${kept.join(", ")}${after}`;
}

/** Line breaks stay: people are sent to places by their lines. */
export function maskOf(secret: string): string {
  return MASK + "\n".repeat(secret.match(/\n/g)?.length ?? 0);
}
