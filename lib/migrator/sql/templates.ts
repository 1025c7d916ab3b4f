import { isSecretName } from "./secret-names.ts";
import { LONGEST_LOOKED_AT } from "./statement-view.ts";

const PLACEHOLDERS = /%(?:\d+\$)?[sLI]/;
const ROLE_TEMPLATE =
  /(?:^|\b(?:role|user|group|mapping|options?|login|encrypted|with)\b[\s\S]*)\s*\(?\bpassword\s+'?\s*(?:$|%)|\bpassword\s+'?\s*%(?:\d+\$)?[LI]/i;
const OPEN_KEY = /([\w.-]+)\\*["']{0,2}\s*(?:=>|:=|=|:)\s*\\*["']{0,2}$/;
const LONGEST_KEY = 200;
const OPEN_URL = /:\/\/[^\s:/@]*:$/;

/** Whether SQL in a literal sets a password to what comes in another literal: `'ALTER ROLE r PASSWORD %L'`. */
export function isPasswordTemplate(value: string): boolean {
  return value.length <= LONGEST_LOOKED_AT && ROLE_TEMPLATE.test(value);
}

/** A name, a setting or a path of JSON, as a literal. */
export function isSecretKey(value: string): boolean {
  return /^[\w.{},-]{2,80}$/.test(value) && isSecretName(value.replace(/[{}]/g, "").replaceAll(",", "."));
}

/** Whether a text has the name of a secret in it. */
export function namesSecret(value: string): boolean {
  return value.match(/[\w.-]+/g)?.some(isSecretName) ?? false;
}

const SQL_BEGINNING =
  /^\s*(?:(?:--[^\n]*\n|\/\*[\s\S]*?\*\/)\s*)*(?:select|insert|update|delete|merge|with|create|alter|drop|begin|declare|do|set|grant|revoke|execute|perform|call|copy|comment|values|explain|truncate|security|import)\b\s*[^\s=:]/i;

/** Whether a text begins as a statement does. */
export function looksLikeSql(value: string): boolean {
  return SQL_BEGINNING.test(value);
}

/** Whether `format` would put other literals in the place of secrets: `'INSERT INTO u (password) VALUES (%L)'`. */
export function isFormatOfSecret(value: string): boolean {
  return PLACEHOLDERS.test(value) && namesSecret(value);
}

/** Whether what is put behind a text would be a secret: `'host=h password='`. */
export function awaitsSecret(value: string): boolean {
  const end = value.slice(-LONGEST_KEY);
  return isSecretName(OPEN_KEY.exec(end)?.[1] ?? "") || OPEN_URL.test(end);
}
