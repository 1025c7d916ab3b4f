import { type ErrorCode, MigrationError } from "../../lib/migrator/index.ts";

/** The engine speaks to somebody at a terminal; who reads this has a stack. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  CONNECTION:
    "Can the function reach the database? Look at the rules of both security groups, the port, and whether the database is available.",
  AUTH: "The secret's user and password must be the database's: was the password changed in one place only?",
  DATABASE_NOT_FOUND: "Give the construct the right databaseName, or create the database first.",
  TLS_UNAVAILABLE: "The functions connect with verified TLS only: switch TLS on in the server.",
  TLS_UNTRUSTED:
    "Use the host name the certificate was issued for, and give the construct the PEM text of its authority as `ca` when that is not Amazon's.",
};

export function adviseInLambda(error: MigrationError): MigrationError {
  const hint = ADVICE[error.code];
  if (hint === undefined || error.details.migration !== undefined) return error;
  return new MigrationError(error.code, error.message, { ...error.details, hint });
}
