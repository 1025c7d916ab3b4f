import { MigrationError } from "../../core/index.ts";

/**
 * The `code` of a system or database error. `instanceof Error` is not asked: inside Jest's sandbox the
 * errors of `node:fs` belong to another realm.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  return String(error);
}

/** What `read` gives, or undefined where there is no such file or folder. */
export async function ifPresent<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** A `USAGE` error for a local database that cannot be used as it is. */
export function unusable(message: string, hint: string, cause?: unknown): MigrationError {
  return new MigrationError("USAGE", message, cause === undefined ? { hint } : { hint, cause });
}
