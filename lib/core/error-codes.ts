/** Where a failure shows: while the request is read, while connecting, in the checks before a run, or in the run. */
export type ErrorPhase = "request" | "connection" | "checks" | "run";

/** What has to change: the request, the migrations, the database or its server, the machine; nothing after a stop. */
export type ErrorFault = "request" | "migrations" | "database" | "machine" | "none";

export interface ErrorTraits {
  readonly phase: ErrorPhase;
  readonly fault: ErrorFault;
  /** Exit code of the command line. */
  readonly exit: 1 | 2 | 130;
}

const traits = <P extends ErrorPhase, F extends ErrorFault>(phase: P, fault: F) =>
  ({ phase, fault, exit: 1 }) as const;

/**
 * Every way to fail, as a stable word for scripts and runbooks. A code never changes its meaning;
 * `docs/troubleshooting.md` has an entry for each.
 */
export const ERRORS = {
  /** A flag, a name, a payload or a setting is wrong. */
  USAGE: { phase: "request", fault: "request", exit: 2 },
  /** A list of targets of a fleet cannot be used, or has no target of a name that was given. */
  TARGETS: { phase: "request", fault: "request", exit: 2 },
  /** A coding agent would change a database without a plan that a person has approved. */
  APPROVAL_REQUIRED: traits("request", "request"),
  /** A file cannot be read or written: no permission, no space left. */
  FILE_SYSTEM: traits("request", "machine"),
  /** A program or package that the command needs is not installed, or does not run here. */
  TOOL_MISSING: traits("request", "machine"),
  /** The deployed files are not what the deploy made, or the handlers cannot be built. */
  ASSET: traits("request", "machine"),
  /** GitHub's API refused a comment, or did not answer. */
  GITHUB: traits("request", "machine"),
  /** The embedded Postgres, its data or its password cannot be used. */
  LOCAL_DATABASE: traits("connection", "machine"),
  /** `verify` has no empty database to work in. */
  SCRATCH_DATABASE: traits("connection", "database"),
  /** A database for a test cannot be made. */
  TEST_DATABASE: traits("connection", "database"),
  CONNECTION: traits("connection", "database"),
  STARTING: traits("connection", "database"),
  AUTH: traits("connection", "database"),
  SECRET: traits("connection", "machine"),
  DATABASE_NOT_FOUND: traits("connection", "database"),
  SERVER_UNSUPPORTED: traits("connection", "database"),
  TLS_REQUIRED: traits("connection", "database"),
  TLS_UNAVAILABLE: traits("connection", "database"),
  TLS_UNTRUSTED: traits("connection", "database"),
  POOLER: traits("checks", "database"),
  /** What would run is not the plan that was approved. */
  PLAN_DIFFERS: traits("checks", "request"),
  /** A migration would block a table for longer than is allowed, or cannot be shown not to. */
  LOCK_BUDGET: traits("checks", "migrations"),
  LOCK_HELD: traits("checks", "database"),
  SCHEMA_NOT_FOUND: traits("checks", "database"),
  MIGRATION: traits("checks", "migrations"),
  ORDER: traits("checks", "migrations"),
  CHANGED: traits("checks", "migrations"),
  MISSING: traits("checks", "migrations"),
  /** A baseline replaces migrations of which this database has only some. */
  SQUASHED: traits("checks", "migrations"),
  PARTIAL: traits("checks", "migrations"),
  /** An application found migrations of its folder that its database does not have. */
  NOT_MIGRATED: traits("checks", "database"),
  IRREVERSIBLE: traits("checks", "migrations"),
  UNMANAGED: traits("checks", "database"),
  /** With `--preflight strict`: other sessions, or the state of the server, stand in the way of the run. */
  PREFLIGHT: traits("checks", "database"),
  /** The snapshot before the migrations of a deploy cannot be made. */
  SNAPSHOT: traits("checks", "database"),
  UNTRUSTED_HISTORY: traits("checks", "database"),
  SQL: traits("run", "migrations"),
  LOCK_TIMEOUT: traits("run", "migrations"),
  /** Targets of a fleet failed or were not reached, or the files of an execution cannot be read or written. */
  FLEET: traits("run", "migrations"),
  DEADLINE: traits("run", "none"),
  CANCELLED: { phase: "run", fault: "none", exit: 130 },
} as const satisfies Readonly<Record<string, ErrorTraits>>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === "string" && Object.hasOwn(ERRORS, text);
}

export const ERROR_CODES: readonly ErrorCode[] = Object.keys(ERRORS).filter(isErrorCode);
