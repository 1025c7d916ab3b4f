import { MAX_LITERAL_LENGTH } from "./statement-view.ts";

/** Replaces a secret. Its length does not depend on that of the secret. */
export const MASK = "********";

const KEY_OF =
  "api|access|secret|private|encryption|encrypt|decryption|signing|sign|master|auth|jwt|service_role|client|account|storage|shared|ssh|rsa|aes|hmac|webhook|symmetric|service|app|consumer|deploy|license";
const TOKEN_OF = "access|auth|refresh|api|bearer|id|session|csrf|reset|security|github|gitlab|npm";

/** Matches a snake-case name whose value is secret. A suffix may only say in which form the secret is stored. */
const SECRET_NAME = new RegExp(
  `^(?!(?:is|has|had|needs|requires|require|use|uses|show|allow|must|can|no|without)_)` +
    `(?:.*(?:password|passwd|passphrase|passcode)|(?:.*_)?(?:pwd|pass|pw|pin_code|credentials?|secrets?|pem|` +
    `(?:${TOKEN_OF})?tokens?|(?:${KEY_OF})_?keys?|(?:client|app|api|shared)secret))` +
    `(?:_?(?:hash|hashed|digest|value|text|plain|plaintext|cleartext|encrypted|enc|salt|old|new|raw|\\d+))*$`,
);

/** Fast path: text without any of these words holds no secret that we recognise, so it need not be tokenized. */
export const SECRET_HINT = new RegExp(
  `pass|pwd|(?:\\b|_)pw|secret|token|credential|pin_?code|\\bpem\\b|_pem\\b|(?:${KEY_OF})[_ -]?key|://|crypt|hmac|digest|pgp_|bearer|private key`,
  "i",
);

/** Twice the length of an identifier in Postgres. */
const MAX_NAME_LENGTH = 126;

/** Whether a value with this name is a secret. Only the last part of a dotted name counts. */
export function isSecretName(name: string): boolean {
  if (!SECRET_HINT.test(name)) return false;
  const last = name.slice(name.lastIndexOf(".") + 1).slice(-MAX_NAME_LENGTH);
  const snake = last
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return SECRET_NAME.test(snake);
}

/** Called with each secret that is masked. */
export type OnSecret = (secret: string) => void;

type Rule = readonly [pattern: RegExp, replacement: (...groups: string[]) => string | undefined];

const QUOTED_VALUE = String.raw`'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?`;
/** A placeholder that a program fills in later. It is not a secret and stays readable. */
const PLACEHOLDER = /^(?:%(?:\d+\$)?[sLI]|%|\$\d+|\$?\{[^}]*\}|\?|:\w+|\*+)[;,)]*$/;

/** Masks secrets in text that is not SQL: connection strings, settings, JSON, keys, and SQL quoted by a message. */
export function maskText(text: string, onSecret: OnSecret = () => {}): string {
  return SECRET_HINT.test(text) ? applyRules(text, [...STRUCTURED, ...ASSIGNMENTS], onSecret) : text;
}

/** Like `maskText`, but leaves `name = value` alone: in code the value is probably an identifier. */
export function maskTextInCode(text: string, onSecret: OnSecret = () => {}): string {
  return SECRET_HINT.test(text) ? applyRules(text, STRUCTURED, onSecret) : text;
}

function applyRules(text: string, rules: readonly Rule[], onSecret: OnSecret): string {
  return rules.reduce(
    (masked, [pattern, replacement]) =>
      masked.replace(pattern, (...matched: unknown[]) => {
        const groups = matched.map((group) => (typeof group === "string" ? group : ""));
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

/** The name just before a value. */
function nameIn(before: string): string {
  return /([\w.-]+)[^\w]*$/.exec(before)?.[1] ?? "";
}

const maskedIfNamed = (before: string, secret: string, after: string): string | undefined =>
  isSecretName(nameIn(before)) ? masked(before, secret, after) : undefined;

/** Keeps the quotes, so that readers and parsers see the same kind of value. */
function maskedValue(before: string, value: string): string | undefined {
  if (!isSecretName(nameIn(before))) return undefined;
  const [quote = ""] = /^(?:''|["'])/.exec(value) ?? [];
  const content = value.slice(quote.length, value.endsWith(quote) ? value.length - quote.length : undefined);
  if (quote !== "" && content === "") return undefined;
  return `${before}${quote}${maskOf(content)}${quote}`;
}

const STRUCTURED: readonly Rule[] = [
  // A PEM key, complete or truncated.
  [
    /(-----BEGIN [A-Z ]*PRIVATE KEY-----)([\s\S]*?)(-----END [A-Z ]*PRIVATE KEY-----|$)/g,
    (before, secret, after) => masked(before, secret, after),
  ],
  // The whole text is a URL: the password may contain any character and ends at the last @.
  [/^(\s*[a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*:)(\S+)(@[^@\s]*\s*)$/i, masked],
  [/((?<![\w+.-])[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/?#@'"]*:)([^\s"'<>]+)(@)/gi, masked],
  // JSON, also nested in a JSON string.
  [
    /(\\{0,7}"[\w.-]{1,80}\\{0,7}"\s{0,9}:\s{0,9}\\{0,7}")((?:[^"\\]|\\(?!\\{0,6}"\s*(?:[,}\]]|$))[\s\S])+)(\\{0,7}"|$)/g,
    maskedIfNamed,
  ],
  [/(\\{0,7}"[\w.-]{1,80}\\{0,7}"\s{0,9}:\s{0,9})(-?\d[\d.eE+-]{0,40})()/g, maskedIfNamed],
  [/(<[\w.:-]{1,80}>)([^<]+)(<\/)/g, maskedIfNamed],
  [/(\bbearer\s+)([\w.~+/=-]{8,})()/gi, masked],
  // SQL in a message, or a fragment of SQL in a literal.
  [/(\bpassword\s+(?:E|N|U&)?'')((?:[^']|''''){1,}?)('')/gi, masked],
  [/(\bpassword\s+(?:E|N|U&)?')((?:[^']|'')+)('|$)/gi, masked],
];

const ASSIGNMENTS: readonly Rule[] = [
  // An error detail: Key (email, token)=(a, b) already exists.
  [/(Key \([^)]*\)=\()(.*)(\) )/g, maskedKey],
  [
    new RegExp(
      String.raw`((?:"[\w.-]{1,80}"|'[\w.-]{1,80}'|(?<![\w.-])[\w.-]{1,80})\s*(?:=>|:=|=)\s*)(${QUOTED_VALUE}|(?:\\.|[^\s'"\\])(?:\\.|[^\s"\\])*)`,
      "g",
    ),
    maskedValue,
  ],
  // A line of a settings file: a single word after the colon. Several words are prose.
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

/** Keeps the number of lines, so that line numbers in messages stay correct. */
export function maskOf(secret: string): string {
  return MASK + "\n".repeat(secret.match(/\n/g)?.length ?? 0);
}

const PLACEHOLDERS = /%(?:\d+\$)?[sLI]/;
const ROLE_TEMPLATE =
  /(?:^|\b(?:role|user|group|mapping|options?|login|encrypted|with)\b[\s\S]*)\s*\(?\bpassword\s+'?\s*(?:$|%)|\bpassword\s+'?\s*%(?:\d+\$)?[LI]/i;
const OPEN_KEY = /([\w.-]+)\\*["']{0,2}\s*(?:=>|:=|=|:)\s*\\*["']{0,2}$/;
const LONGEST_KEY = 200;
const OPEN_URL = /:\/\/[^\s:/@]*:$/;

/** Whether a literal is SQL that takes a password from another literal: `'ALTER ROLE r PASSWORD %L'`. */
export function isPasswordTemplate(value: string): boolean {
  return value.length <= MAX_LITERAL_LENGTH && ROLE_TEMPLATE.test(value);
}

/** Whether a literal is the name of a secret: a column, a setting or a JSON path. */
export function isSecretKey(value: string): boolean {
  return /^[\w.{},-]{2,80}$/.test(value) && isSecretName(value.replace(/[{}]/g, "").replaceAll(",", "."));
}

/** Whether a text contains the name of a secret. */
export function namesSecret(value: string): boolean {
  return value.match(/[\w.-]+/g)?.some(isSecretName) ?? false;
}

const SQL_BEGINNING =
  /^\s*(?:(?:--[^\n]*\n|\/\*[\s\S]*?\*\/)\s*)*(?:select|insert|update|delete|merge|with|create|alter|drop|begin|declare|do|set|grant|revoke|execute|perform|call|copy|comment|values|explain|truncate|security|import)\b\s*[^\s=:]/i;

/** Whether a text begins like a statement. */
export function looksLikeSql(value: string): boolean {
  return SQL_BEGINNING.test(value);
}

/** Whether `format` would insert secrets into this literal: `'INSERT INTO u (password) VALUES (%L)'`. */
export function isFormatOfSecret(value: string): boolean {
  return PLACEHOLDERS.test(value) && namesSecret(value);
}

/** Whether text appended to this literal would be a secret: `'host=h password='`. */
export function awaitsSecret(value: string): boolean {
  const end = value.slice(-LONGEST_KEY);
  return isSecretName(OPEN_KEY.exec(end)?.[1] ?? "") || OPEN_URL.test(end);
}

/** Names of algorithms and encodings, which are passed next to a secret but are not secret. */
export const ALGORITHM =
  /^(?:md5|sha-?\d+|sha1|bf|blowfish|xdes|des|3des|cast5|aes(?:[-/\w]*)|hex|base64|escape|utf-?8|[\w-]+=[\w-]+(?:,\s*[\w-]+=[\w-]+)*)$/i;
