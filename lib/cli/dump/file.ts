import { randomBytes } from "node:crypto";
import { readFile, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { errorCode, MigrationError } from "../../core/index.ts";
import { machineFailure } from "../output/machine-failure.ts";
import { MARK } from "./dump.ts";

/** Git may have given the file another kind of line ending. Undefined when it is not there. */
export async function readDump(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).replace(/\r\n/g, "\n");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw machineFailure(error) ?? error;
  }
}

/**
 * Writes the file as a whole or not at all: a full disk leaves what was there.
 * @throws MigrationError `USAGE` when it cannot be written, or holds what `dump` has not written
 */
export async function writeDump(path: string, sql: string, { force = false } = {}): Promise<void> {
  try {
    // Such as a pipe, or /dev/stdout.
    if (await isSpecial(path)) return await writeFile(path, sql);
    const text = await readDump(path);
    if (!force && text !== undefined && text.trim() !== "" && !text.startsWith(MARK)) throw foreign(path);
    const file = text === undefined ? path : await realpath(path);
    await replace(file, sql);
  } catch (error) {
    throw machineFailure(error) ?? error;
  }
}

async function isSpecial(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

async function replace(file: string, sql: string): Promise<void> {
  const fresh = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(fresh, sql, { flag: "wx" });
    await rename(fresh, file);
  } catch (error) {
    await unlink(fresh).catch(() => undefined);
    throw error;
  }
}

function foreign(path: string): MigrationError {
  return new MigrationError("USAGE", `${path} was not written by dump, and would be overwritten`, {
    hint: "Choose another file with --output, or pass --force to replace it.",
  });
}
