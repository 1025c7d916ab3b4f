import { type Dirent, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  errorCode,
  errorMessage,
  type FileProblem,
  Hint,
  inRunningOrder,
  type Migration,
  MigrationError,
  problemLines,
} from "../core/index.ts";
import { classifyFileName, type MigrationFile } from "./file-names.ts";

export interface FolderListing {
  /** Absolute path of the folder. */
  readonly dir: string;
  readonly entries: readonly Migration[];
}

export interface ReadFolderOptions {
  /**
   * Regular expression over whole file names; files that match are not migrations. As in node-pg-migrate, it is wrapped
   * in `^…$`.
   * @default - no pattern; subfolders, dotfiles, backup files of editors and notes (.md, .txt, .json) are never
   * migrations
   */
  readonly ignorePattern?: string;
}

/**
 * Lists a folder's migrations by their file names; opens no file.
 * @throws MigrationError with every problem: files that look like migrations but cannot be, and names that two
 * migrations would share.
 */
export async function readFolder(dir: string, options: ReadFolderOptions = {}): Promise<FolderListing> {
  const folder = resolve(dir);
  const isIgnored = ignoreRule(options.ignorePattern);
  const problems: FileProblem[] = [];
  const files: MigrationFile[] = [];
  for (const dirent of readEntries(folder)) {
    if (isIgnored(dirent.name)) continue;
    const file = classifyFileName(dirent.name);
    if (file.kind === "ignored" || !(dirent.isFile() || linksToFile(folder, dirent))) continue;
    if (file.kind === "problem") problems.push(file.problem);
    else files.push(file);
  }
  const entries = [...groupByName(files).values()].flatMap((group) => toMigration(group, problems));
  problems.push(...equalExceptCase(files.map(({ name }) => name)));
  if (problems.length > 0) throw refusal(folder, problems);
  return { dir: folder, entries: inRunningOrder(entries, ({ fileName }) => fileName) };
}

function readEntries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT") {
      const hint = Hint.of`${Hint.command("create")} writes the first migration and makes the folder; or name another one with --migrations-dir`;
      throw new MigrationError("USAGE", `migrations folder not found: ${folder}`, { hint, cause });
    }
    if (code === "ENOTDIR") {
      const hint = "name the folder that holds the migrations, not a file in it";
      throw new MigrationError("USAGE", `not a folder: ${folder}`, { hint, cause });
    }
    throw new MigrationError("FILE_SYSTEM", `migrations folder cannot be read: ${errorMessage(cause)}`, {
      cause,
    });
  }
}

/** As in node-pg-migrate, a link counts as its target; a broken one fails when it is loaded. */
function linksToFile(folder: string, dirent: Dirent): boolean {
  if (!dirent.isSymbolicLink()) return false;
  try {
    return statSync(join(folder, dirent.name)).isFile();
  } catch {
    return true;
  }
}

/** Whether a pattern excludes a file name. */
export function ignoreRule(pattern: string | undefined): (fileName: string) => boolean {
  if (pattern === undefined || pattern === "") return () => false;
  try {
    const rule = new RegExp(`^${pattern}$`);
    return (fileName) => rule.test(fileName);
  } catch (cause) {
    const hint = "it is a regular expression over file names, such as .*\\.test\\.ts";
    throw new MigrationError("USAGE", `ignore pattern is not a regular expression: ${pattern}`, {
      hint,
      cause,
    });
  }
}

function groupByName(files: readonly MigrationFile[]): ReadonlyMap<string, readonly MigrationFile[]> {
  const groups = new Map<string, MigrationFile[]>();
  for (const file of files) {
    const group = groups.get(file.name);
    if (group === undefined) groups.set(file.name, [file]);
    else group.push(file);
  }
  return groups;
}

/** The migration of the files that share a name; adds a problem where they cannot be one. */
function toMigration(group: readonly MigrationFile[], problems: FileProblem[]): Migration[] {
  const [first, second] = group;
  if (first === undefined) return [];
  const { name, fileName, role } = first;
  if (second === undefined && (role === "module" || role === "sql"))
    return [{ name, fileName, files: [fileName], kind: role }];
  const ups = group.filter((file) => file.role === "up");
  const downs = group.filter((file) => file.role === "down");
  const [up] = ups;
  const [down] = downs;
  if (ups.length > 1 || downs.length > 1 || ups.length + downs.length < group.length) {
    problems.push(sharedName(group));
    return [];
  }
  if (up === undefined) {
    problems.push({
      file: fileName,
      message: "is a down file without its up file",
      hint: `add ${name}.up.sql, or remove it`,
    });
    return [];
  }
  const files = down === undefined ? [up.fileName] : [up.fileName, down.fileName];
  return [{ name, fileName: `${name}.sql`, files, kind: "pair" }];
}

function sharedName(group: readonly MigrationFile[]): FileProblem {
  const files = group.map((file) => file.fileName).toSorted();
  return {
    file: files.join(", "),
    message: `would be one migration, "${group[0]?.name}"`,
    hint: "keep one of them, or give the others another number or name",
  };
}

/** Two such names are one file on macOS and Windows: a checkout there would lose one of them. */
function equalExceptCase(names: readonly string[]): FileProblem[] {
  const groups = new Map<string, Set<string>>();
  for (const name of names) {
    const key = name.normalize("NFC").toLowerCase();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, new Set([name]));
    else group.add(name);
  }
  return [...groups.values()]
    .filter((group) => group.size > 1)
    .map((group) => ({
      file: [...group].toSorted().join(", "),
      message: "differ only by upper and lower case, or by how accents are encoded",
      hint: "rename all but one: macOS and Windows cannot tell them apart",
    }));
}

function refusal(folder: string, problems: readonly FileProblem[]): MigrationError {
  const [first, ...others] = problems.toSorted((a, b) => (a.file < b.file ? -1 : 1));
  if (first !== undefined && others.length === 0) {
    const message = `a file in ${folder} cannot be a migration: ${first.file} ${first.message}`;
    const details = first.hint === undefined ? {} : { hint: first.hint };
    return new MigrationError("MIGRATION", message, { ...details, problems });
  }
  const lines = problemLines(problems);
  const message = [`${problems.length} problems in the migrations folder ${folder}:`, ...lines].join("\n");
  return new MigrationError("MIGRATION", message, { problems });
}
