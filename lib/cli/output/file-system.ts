import { randomBytes } from "node:crypto";
import { readFile, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { errorCode, MigrationError } from "../../core/index.ts";

/** Whether it is a pipe or a device such as /dev/stdout, which has no contents to lose. */
export async function isSpecial(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

export interface Own {
  /** The command that writes it. */
  readonly command: string;
  /** Whether the text of an existing file was written by it. */
  readonly isOwn: (text: string) => boolean;
  /** How to write it nevertheless. */
  readonly hint: string;
}

/**
 * Writes the whole file or nothing.
 * @throws MigrationError `USAGE` if it replaced a file that the command has not written, `FILE_SYSTEM` if it cannot be written
 */
export async function replaceOwn(path: string, text: string, { command, isOwn, hint }: Own): Promise<void> {
  try {
    const existing = (await isSpecial(path)) ? "" : await readIfPresent(path);
    if (existing.trim() !== "" && !isOwn(existing)) {
      const message = `${path} was not written by ${command}, and would be overwritten`;
      throw new MigrationError("USAGE", message, { hint });
    }
    await writeWhole(path, text);
  } catch (error) {
    throw fileSystemError(error) ?? error;
  }
}

async function readIfPresent(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}

/** Writes the whole file or nothing: if the disk is full, the old file stays. */
export async function writeWhole(path: string, text: string): Promise<void> {
  // What is special cannot be replaced.
  if (await isSpecial(path)) return await writeFile(path, text);
  const file = await targetOf(path);
  const temporary = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await rename(temporary, file);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    // The error names the file that was asked for.
    if (error instanceof Error) Reflect.set(error, "path", file);
    throw error;
  }
}

/** The file that a link leads to; a link itself stays. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return path;
    throw error;
  }
}

/** Errors of the operating system in words, each with what to do about it. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: ["no space is left on the device", "Make room on it, or choose another place."],
  EDQUOT: ["the disk quota is used up", "Make room, or choose another place."],
  EFBIG: ["the file would be too large", "Raise the limit (ulimit -f), or choose another place."],
  EROFS: ["the file system is read-only", "Choose a place that can be written to."],
  EACCES: ["permission denied", "Choose a place that you may write to, or change its permissions."],
  EPERM: ["operation not permitted", "Choose a place that you may write to, or change its permissions."],
  ENOENT: ["its folder does not exist", "Create the folder, or choose another place."],
  ENOTDIR: ["a part of its path is no folder", "Choose another place."],
  EISDIR: ["it is a folder", "Name a file in it."],
  EMFILE: ["too many files are open", "Raise the limit (ulimit -n), or close what holds them."],
};

/** The error of a full disk and the like; undefined for anything that is not an error of the operating system. */
export function fileSystemError(error: unknown): MigrationError | undefined {
  const [what, hint] = SYSTEM_ERRORS[errorCode(error) ?? ""] ?? [];
  if (what === undefined || hint === undefined || typeof error !== "object" || error === null)
    return undefined;
  const syscall: unknown = Reflect.get(error, "syscall");
  if (typeof syscall !== "string") return undefined;
  const path: unknown = Reflect.get(error, "dest") ?? Reflect.get(error, "path");
  const place = typeof path === "string" ? path : "a file";
  return new MigrationError("FILE_SYSTEM", `cannot ${VERBS[syscall] ?? "write"} ${place}: ${what}`, {
    hint,
    cause: error,
  });
}

const VERBS: Readonly<Record<string, string>> = {
  mkdir: "create",
  unlink: "delete",
  rmdir: "delete",
  rm: "delete",
  scandir: "read",
  read: "read",
  stat: "read",
  lstat: "read",
  spawn: "start",
};
