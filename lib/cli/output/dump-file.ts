import { randomBytes } from "node:crypto";
import { readFile, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { createTwoFilesPatch } from "diff";
import { errorCode, MigrationError } from "../../core/index.ts";
import { DUMP_MARK } from "../../review/dump/index.ts";
import { machineFailure } from "./machine-failure.ts";
import type { Colors } from "./printer.ts";

/** Undefined if there is no file. Git may have changed the line endings. */
export async function readDump(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).replace(/\r\n/g, "\n");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw machineFailure(error) ?? error;
  }
}

/**
 * Writes the whole file or nothing: if the disk is full, the old file stays.
 * @throws MigrationError `USAGE` if it cannot be written, or if `dump` did not write the existing file
 */
export async function writeDump(path: string, sql: string, { force = false } = {}): Promise<void> {
  try {
    // A pipe or a device such as /dev/stdout cannot be replaced.
    if (await isSpecial(path)) return await writeFile(path, sql);
    const text = await readDump(path);
    if (!force && text !== undefined && text.trim() !== "" && !text.startsWith(DUMP_MARK))
      throw notOurs(path);
    const file = text === undefined ? path : await realpath(path);
    await replace(file, sql);
  } catch (error) {
    throw machineFailure(error) ?? error;
  }
}

async function isSpecial(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

async function replace(file: string, sql: string): Promise<void> {
  const temporary = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, sql, { flag: "wx" });
    await rename(temporary, file);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

function notOurs(path: string): MigrationError {
  return new MigrationError("USAGE", `${path} was not written by dump, and would be overwritten`, {
    hint: "Choose another file with --output, or pass --force to replace it.",
  });
}

/** The differences of a file from the schema as a unified diff; undefined if there are none. */
export function compareDump(path: string, file: string, sql: string): string | undefined {
  if (file === sql) return undefined;
  return createTwoFilesPatch(path, path, file, sql, "as it is", "as it should be");
}

export function colorDifference(difference: string, colors: Colors): string {
  return difference
    .split("\n")
    .map((line) => {
      if (/^(?:\+\+\+|---|===)/.test(line)) return colors.bold(line);
      if (line.startsWith("+")) return colors.green(line);
      if (line.startsWith("-")) return colors.red(line);
      return line.startsWith("@@") ? colors.cyan(line) : line;
    })
    .join("\n");
}
