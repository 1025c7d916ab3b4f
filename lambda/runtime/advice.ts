import { type ErrorCode, type Finding, MigrationError } from "../../lib/core/index.ts";

/** The engine speaks to somebody at a terminal; who reads this has a stack. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  CONNECTION:
    "Can the function reach the database? Look at the rules of both security groups, the port, and whether the database is available.",
  AUTH: "The secret's user and password must be the database's: was the password changed in one place only?",
  DATABASE_NOT_FOUND: "Give the construct the right databaseName, or create the database first.",
  POOLER:
    "Give the construct the database's own endpoint, not that of a proxy or a pooler such as RDS Proxy or PgBouncer.",
  UNMANAGED:
    'Is it the right one? If it is, deploy with `cdk deploy --no-rollback`, which leaves the functions there; tell the operate function {"command": "baseline", "to": "<newest migration it has>", "confirm": "<name of the database>"}; and deploy again.',
  DEADLINE:
    "Deploy again: it goes on where this run stopped. A statement that needs more than the construct's `timeout`, at most 14 minutes, is run from a machine: docs/deploying.md, A statement longer than 14 minutes.",
  TLS_REQUIRED:
    "The functions connect with TLS: has the server's pg_hba.conf a rule for this user from their subnets?",
  TLS_UNAVAILABLE: "The functions connect with verified TLS only: switch TLS on in the server.",
  TLS_UNTRUSTED:
    "Use the host name the certificate was issued for, and give the construct the PEM text of its authority as `ca` when that is not Amazon's.",
};

/** Advice that also holds when the failure names a migration. */
const ALWAYS: readonly ErrorCode[] = ["DEADLINE"];

export function adviseInLambda(error: MigrationError): MigrationError {
  const { migration, sqlstate, hint: given } = error.details;
  // A server that answered is not out of reach, whatever it refuses.
  const isReached = error.code === "CONNECTION" && sqlstate !== undefined;
  const advice = (migration === undefined && !isReached) || ALWAYS.includes(error.code);
  const hint = (advice ? ADVICE[error.code] : undefined) ?? (given && hintInLambda(given));
  if (hint === undefined) return error;
  return new MigrationError(error.code, error.message, { ...error.details, hint });
}

/** What a report refuses or warns of, with advice for whoever has a stack. */
export function findingsInLambda<F extends Pick<Finding, "code" | "hint">>(
  findings: readonly F[],
): readonly F[] {
  return findings.map((finding) => ({
    ...finding,
    hint: ADVICE[finding.code] ?? hintInLambda(finding.hint),
  }));
}

/** Options that the construct sets for all runs; what is not named here is no option of ours. */
const CONSTRUCT_FLAGS =
  /--(order|schema|create-schema|migrations-schema|migrations-table|transaction|lock-wait|lock-timeout|lock-retries|database-wait|wait)\b(?: (warn|allow|strict|each|all)\b)?/g;
const COMMANDS = /`(up|down|redo|plan|status|history|repair|resolve|baseline) ([^`]+)`/g;

/**
 * The engine's hint in the words of a payload and of the construct: it names commands and flags of a command line,
 * which nobody has who reads a function's answer.
 */
export function hintInLambda(hint: string): string {
  return hint
    .replace(COMMANDS, (_, command: string, rest: string) => `\`${payloadOf(command, rest)}\``)
    .replace(CONSTRUCT_FLAGS, (_, flag: string, value: string | undefined) => {
      const prop = camelCase(flag);
      return `the construct's \`${value === undefined ? prop : `${prop}: "${value}"`}\``;
    })
    .replace(/--from (file|history)\b/g, '"from": "$1"')
    .replace(/--(retry|applied|reverted)\b/g, '"outcome": "$1"')
    .replace(/--(to|note|batch)\b/g, '"$1"');
}

/** A command with its arguments, as the payload that says the same. Whoever sends one to operate adds `confirm`. */
function payloadOf(command: string, rest: string): string {
  const payload: Record<string, string | number | boolean> = { command };
  const words = rest.split(" ");
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? "";
    if (word === "--down") payload["down"] = true;
    else if (word === "--batch") payload["batch"] = true;
    else if (/^--(retry|applied|reverted)$/.test(word)) payload["outcome"] = word.slice(2);
    else if (/^--(to|from|note)$/.test(word)) {
      index += 1;
      payload[word.slice(2)] = words[index] ?? "";
    } else if (/^\d+$/.test(word)) payload["count"] = Number(word);
    else if (!word.startsWith("--")) payload["migration"] = word;
  }
  return JSON.stringify(payload).replaceAll('":', '": ').replaceAll(',"', ', "');
}

function camelCase(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
