import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, errorMessage, MigrationError } from "../core/index.ts";
import { type BaselineFile, baselineSuffix, type ImportedMigration } from "./plan-import.ts";
import type { Tool } from "./tool.ts";

/** Names of the migrations that a folder has; none if there is no such folder. */
export async function existingNames(dir: string): Promise<ReadonlySet<string>> {
  try {
    const files = await readdir(dir);
    return new Set(files.map((file) => file.replace(/(?:\.(?:up|down))?\.\w+$/, "")));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return new Set();
    throw cannotWrite(dir, error);
  }
}

/** The baseline of a tool that a folder has. */
export async function existingBaseline(
  dir: string,
  tool: Tool,
  existing: ReadonlySet<string>,
): Promise<BaselineFile | undefined> {
  const name = [...existing].find((one) => one.endsWith(baselineSuffix(tool)));
  if (name === undefined) return undefined;
  try {
    return { name, text: await readFile(join(dir, `${name}.sql`), "utf8") };
  } catch (error) {
    throw cannotWrite(dir, error);
  }
}

/** Writes the new files and answers their names; a file that exists is never overwritten. */
export async function writeMigrations(
  dir: string,
  migrations: readonly ImportedMigration[],
): Promise<string[]> {
  const files = migrations.flatMap(({ name, text }) =>
    text === undefined ? [] : [{ file: `${name}.sql`, text }],
  );
  try {
    await mkdir(dir, { recursive: true });
    for (const { file, text } of files) await writeFile(join(dir, file), text, { flag: "wx" });
    return files.map(({ file }) => file);
  } catch (error) {
    throw cannotWrite(dir, error);
  }
}

function cannotWrite(dir: string, cause: unknown): MigrationError {
  return new MigrationError("FILE_SYSTEM", `migrations cannot be written to ${dir}: ${errorMessage(cause)}`, {
    hint: "Correct that and import again: files that were written are kept.",
    cause,
  });
}
