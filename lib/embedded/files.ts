import { randomBytes } from "node:crypto";
import { readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../core/index.ts";
import { giveToServerUser } from "./server-user.ts";

/** The result of a file operation, or undefined if the file does not exist. */
export async function ifPresent<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** An unused path next to `path`, for content that is renamed to `path` when it is complete. */
export function temporaryPath(path: string): string {
  return `${path}.new-${randomBytes(4).toString("hex")}`;
}

/** Replaces a private file atomically: a reader sees the old content or the new one. */
export async function replaceFile(path: string, text: string, owner: "us" | "server"): Promise<void> {
  const temporary = temporaryPath(path);
  await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
  if (owner === "server") await giveToServerUser(temporary);
  await rename(temporary, path);
}

/**
 * Deletes the temporary paths that killed processes left next to `path`, with everything that begins with their names.
 * @param minAgeMs keeps newer ones, because another process may still work on them
 */
export async function deleteTemporary(path: string, minAgeMs = 0): Promise<void> {
  const directory = dirname(path);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`${basename(path)}.new-`)) continue;
    const temporary = join(directory, name);
    const info = await ifPresent(stat(temporary));
    if (info === undefined || (minAgeMs > 0 && Date.now() - info.mtimeMs < minAgeMs)) continue;
    // A child of the killed process may still write; the next start deletes the rest.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}
