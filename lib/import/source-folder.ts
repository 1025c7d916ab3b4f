import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { errorCode, errorMessage, MigrationError } from "../core/index.ts";
import { normalizeLines, requireUtf8 } from "../folder/index.ts";

/** The folder of another tool. */
export interface SourceFolder {
  readonly dir: string;
  /** Its files, those of subfolders too, with slashes between the parts; sorted by code units. */
  readonly files: readonly string[];
  /** Files of the folder itself. */
  readonly topFiles: readonly string[];
  bytes(file: string): Promise<Buffer>;
  /** Without a byte order mark and with the line endings of Unix. @throws MigrationError `MIGRATION` if not UTF-8 */
  text(file: string): Promise<string>;
}

/** @throws MigrationError `USAGE` if there is no such folder */
export async function openSourceFolder(dir: string): Promise<SourceFolder> {
  const files = await listFiles(dir);
  const bytes = (file: string) => readFile(join(dir, file));
  return {
    dir,
    files,
    topFiles: files.filter((file) => !file.includes("/")),
    bytes,
    text: async (file) => {
      const content = await bytes(file);
      requireUtf8(file, content);
      return normalizeLines(content.toString("utf8"), "utf8");
    },
  };
}

async function listFiles(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
      .filter((file) => !file.split("/").some((part) => part.startsWith(".") || part === "node_modules"))
      .sort((a, b) => (a < b ? -1 : 1));
  } catch (cause) {
    const wrong = WRONG_FOLDER[errorCode(cause) ?? ""];
    const message =
      wrong === undefined ? `${dir} cannot be read: ${errorMessage(cause)}` : `${wrong}: ${dir}`;
    throw new MigrationError(wrong === undefined ? "FILE_SYSTEM" : "USAGE", message, {
      hint: "Name the folder that holds the other tool's migrations with --source.",
      cause,
    });
  }
}

const WRONG_FOLDER: Readonly<Record<string, string>> = {
  ENOENT: "no such folder",
  ENOTDIR: "this is a file, not a folder",
};
