import {
  type CommandInput,
  commandLineWords,
  type DatabaseSetting,
  type ErrorCode,
  type Finding,
  type HintTerm,
  MigrationError,
  propOf,
  renderHint,
} from "../../lib/core/index.ts";
import type { Login } from "./settings.ts";

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
    "Deploy or run again: it goes on where this run stopped. A run of hours is an execution of `runner`: docs/runbook.md, A run that takes hours. A statement of more than 14 minutes, or than the construct's `timeout`, is run from a machine: docs/deploying.md, A statement longer than 14 minutes.",
  TLS_REQUIRED:
    "The functions connect with TLS: has the server's pg_hba.conf a rule for this user from their subnets?",
  TLS_UNAVAILABLE: "The functions connect with verified TLS only: switch TLS on in the server.",
  TLS_UNTRUSTED:
    "Use the host name the certificate was issued for, and give the construct the PEM text of its authority as `ca` when that is not Amazon's.",
};

/** A fleet has no function for the other commands: they are typed on a machine that reaches the target. */
const ADVICE_IN_FLEET: typeof ADVICE = {
  ...ADVICE,
  DATABASE_NOT_FOUND:
    "Name the right database in the targets, or create it first: a fleet creates schemas, if it may, but no databases.",
  UNMANAGED:
    "Is it the right one? If it is, say from a machine that reaches it what it has, `baseline --to <newest migration it has>`, with --schema for a schema; then start the execution again.",
  DEADLINE:
    "Start the execution again: it goes on where this one stopped. A statement that needs more than the construct's `timeout`, at most 14 minutes, is run from a machine that reaches the target.",
};

/** With a token there is no password that could be wrong. */
const AUTH_WITH_TOKEN =
  "The user must exist and be granted rds_iam, the instance or cluster must have IAM authentication turned on, and the function's role needs rds-db:connect for this user: docs/deploying.md, Without a password.";

/** Advice that also holds when the failure names a migration. */
const ALWAYS: readonly ErrorCode[] = ["DEADLINE"];

export function adviseOnAws(error: MigrationError, login: Login["kind"] = "secret"): MigrationError {
  return advised(error, login === "iam" ? { ...ADVICE, AUTH: AUTH_WITH_TOKEN } : ADVICE, wordsOnAws);
}

/** The same for a target of a fleet. */
export function adviseInFleet(error: MigrationError, login: Login["kind"]): MigrationError {
  const advice = login === "iam" ? { ...ADVICE_IN_FLEET, AUTH: AUTH_WITH_TOKEN } : ADVICE_IN_FLEET;
  return advised(error, advice, wordsInFleet);
}

/** An execution of a fleet takes no options. */
function wordsInFleet(term: HintTerm): string {
  if (term.kind === "option") return constructWords(term);
  return term.kind === "command" || term.kind === "field" ? commandLineWords(term) : wordsOnAws(term);
}

function advised(
  error: MigrationError,
  adviceByCode: typeof ADVICE,
  words: (term: HintTerm) => string,
): MigrationError {
  const { migration, sqlstate, background, backfill, hint: given } = error.details;
  // A server that answered is not out of reach, whatever it refuses.
  const isReached = error.code === "CONNECTION" && sqlstate !== undefined;
  const advice = (migration === undefined && !isReached) || ALWAYS.includes(error.code);
  const byCode = adviceByCode[error.code];
  // The server finishes the statement, or the next run goes on with the batches: no statement needs more time.
  const goesOn = background !== undefined || backfill !== undefined;
  const hint = (advice && !goesOn ? byCode : undefined) ?? (given && renderHint(given, words));
  if (hint === undefined) return error;
  return new MigrationError(error.code, error.message, { ...error.details, hint });
}

/** What a report refuses or warns of, with advice for whoever has a stack. */
export function findingsOnAws<F extends Pick<Finding, "code" | "hint">>(
  findings: readonly F[],
): readonly F[] {
  return findings.map((finding) => ({
    ...finding,
    hint: ADVICE[finding.code] ?? renderHint(finding.hint, wordsOnAws),
  }));
}

/** A term in the words of a payload and of the construct. */
function wordsOnAws(term: HintTerm): string {
  switch (term.kind) {
    case "command":
      return `\`${Object.keys(term.input).length === 0 ? term.command : payloadOf(term.command, term.input)}\``;
    case "field":
      return term.value === undefined ? `"${term.field}"` : `"${term.field}": "${term.value}"`;
    case "option":
      return [constructWords(term), ...operatorWords(term)].join(", or ");
    case "setting":
      return `the ${SETTINGS[term.setting]}`;
    case "folder":
      return "the construct's `migrationsDir`";
  }
}

type OptionTerm = Extract<HintTerm, { kind: "option" }>;

function constructWords({ option, value }: OptionTerm): string {
  return `the construct's \`${propOf(option)}${value === undefined ? "" : `: "${value}"`}\``;
}

/** Options that a payload of the operate function has too, for one run. */
const IN_PAYLOADS: readonly OptionTerm["option"][] = ["maxLockMs", "preflight"];

function operatorWords({ option, value }: OptionTerm): string[] {
  if (!IN_PAYLOADS.includes(option)) return [];
  const field = JSON.stringify(propOf(option));
  return [`${value === undefined ? field : `${field}: "${value}"`} in an operator's payload`];
}

const SETTINGS: Readonly<Record<DatabaseSetting, string>> = {
  url: "construct's `database`",
  host: "host of the construct's `database`",
  port: "port of the construct's `database`",
  name: "construct's `databaseName`",
  user: "`username` in the secret",
  password: "`password` in the secret",
  ssl: "TLS of the server",
  sslCa: "construct's `ca`",
};

/** The payload that runs the command. The operate function wants `confirm` in it too. */
function payloadOf(command: string, input: CommandInput): string {
  return JSON.stringify({ command, ...input })
    .replaceAll('":', '": ')
    .replaceAll(',"', ', "');
}
