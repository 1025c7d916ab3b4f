import { randomBytes } from "node:crypto";
import { realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { errorCode } from "../../core/index.ts";

/** Whether it is a pipe or a device such as /dev/stdout, which has no contents to lose. */
export async function isSpecial(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
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
