import { type ErrorCode, MigrationError } from "../../lib/migrator/index.ts";

/** The engine speaks to somebody at a terminal; who reads this has a stack. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  CONNECTION:
    "Can the function reach the database? Look at the rules of both security groups, the port, and whether the database is available.",
  AUTH: "The secret's user and password must be the database's: was the password changed in one place only?",
  DATABASE_NOT_FOUND: "Give the construct the right databaseName, or create the database first.",
  POOLER:
    "Give the construct the database's own endpoint, not that of a proxy or a pooler such as RDS Proxy or PgBouncer.",
  UNMANAGED:
    'Is it the right one? If it is, tell the operate function {"action": "baseline"}, with "to" for the migrations it already has; then deploy again.',
  TLS_UNAVAILABLE: "The functions connect with verified TLS only: switch TLS on in the server.",
  TLS_UNTRUSTED:
    "Use the host name the certificate was issued for, and give the construct the PEM text of its authority as `ca` when that is not Amazon's.",
};

export function adviseInLambda(error: MigrationError): MigrationError {
  const { migration, hint: given } = error.details;
  const hint = (migration === undefined ? ADVICE[error.code] : undefined) ?? (given && inPayload(given));
  if (hint === undefined) return error;
  return new MigrationError(error.code, error.message, { ...error.details, hint });
}

/** Flags of the command line as they are said in a payload, or to the construct. */
function inPayload(hint: string): string {
  return hint
    .replace(/--down\b/g, '"direction": "down"')
    .replace(/--(order|from) (\w+)/g, '"$1": "$2"')
    .replace(/--(retry|applied|reverted)\b/g, '"outcome": "$1"')
    .replace(/--([a-z]+(?:-[a-z]+)*)/g, (_, flag: string) => `"${camelCase(flag)}"`);
}

function camelCase(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
