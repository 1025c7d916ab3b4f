import { errorCode, MigrationError } from "../../core/index.ts";

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
