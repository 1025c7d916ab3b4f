import { readFile } from "node:fs/promises";
import { createTwoFilesPatch } from "diff";
import { readErrorCode } from "../failure.ts";

/** How the file differs from the schema as it is, as a unified diff; undefined when it does not. */
export async function checkDump(path: string, sql: string): Promise<string | undefined> {
  const file = await readIfThere(path);
  if (file === sql) return undefined;
  return createTwoFilesPatch(path, path, file, sql, "as it is", "as it should be");
}

/** Git may have given the file another kind of line ending; a missing file has no line. */
async function readIfThere(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).replace(/\r\n/g, "\n");
  } catch (error) {
    if (readErrorCode(error) === "ENOENT") return "";
    throw error;
  }
}
