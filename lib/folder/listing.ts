import { type Dirent, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  errorCode,
  errorMessage,
  type FileProblem,
  inRunningOrder,
  type Migration,
  MigrationError,
  problemLines,
} from "../core/index.ts";
import { classifyFileName, type NamedFile } from "./file-names.ts";

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
 * Lists a folder's migrations by their file names; opens none of them.
 * @throws MigrationError with every problem that was found: files that look like migrations and cannot be, and
 * names that two migrations would share.
 */
export async function readFolder(dir: string, options: ReadFolderOptions = {}): Promise<FolderListing> {
  const folder = resolve(dir);
  const ignored = ignoreRule(options.ignorePattern);
  const problems: FileProblem[] = [];
  const files: NamedFile[] = [];
  for (const dirent of readEntries(folder)) {
    if (ignored(dirent.name)) continue;
    const found = classifyFileName(dirent.name);
    if (found.kind === "ignored" || !(dirent.isFile() || leadsToFile(folder, dirent))) continue;
    if (found.kind === "problem") problems.push(found.problem);
    else files.push(found);
  }
  const entries = toEntries(files, problems);
  problems.push(...sameButForCase(files.map(({ name }) => name)));
  if (problems.length > 0) throw refusal(folder, problems);
  return { dir: folder, entries: inRunningOrder(entries, ({ fileName }) => fileName) };
}

function readEntries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT") {
      const hint =
        "`create` writes the first migration and makes the folder; or name another one with --migrations-dir";
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

/** Symbolic links count as what they lead to, as for node-pg-migrate; a broken one fails when it is loaded. */
function leadsToFile(folder: string, dirent: Dirent): boolean {
  if (!dirent.isSymbolicLink()) return false;
  try {
    return statSync(join(folder, dirent.name)).isFile();
  } catch {
    return true;
  }
}

/** Which file names a pattern leaves out. */
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

function groupByName(files: readonly NamedFile[]): ReadonlyMap<string, readonly NamedFile[]> {
  const groups = new Map<string, NamedFile[]>();
  for (const file of files) {
    const group = groups.get(file.name);
    if (group === undefined) groups.set(file.name, [file]);
    else group.push(file);
  }
  return groups;
}

function toEntries(files: readonly NamedFile[], problems: FileProblem[]): Migration[] {
  const alone = new Map<string, Migration>();
  for (const { fileName, name, role } of files) {
    if (role === "module" || role === "sql")
      alone.set(name, { name, fileName, files: [fileName], kind: role });
  }
  if (alone.size === files.length) return [...alone.values()];
  return [...groupByName(files).values()].flatMap((group) => toEntry(group, alone, problems));
}

/** Makes one migration of the files that share a name; reports why where they cannot be one. */
function toEntry(
  group: readonly NamedFile[],
  alone: ReadonlyMap<string, Migration>,
  problems: FileProblem[],
): Migration[] {
  const [first, second] = group;
  if (first === undefined) return [];
  const whole = alone.get(first.name);
  if (second === undefined && whole !== undefined) return [whole];
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
      file: first.fileName,
      message: "is a down file without its up file",
      hint: `add ${first.name}.up.sql, or remove it`,
    });
    return [];
  }
  const files = down === undefined ? [up.fileName] : [up.fileName, down.fileName];
  return [{ name: up.name, fileName: `${up.name}.sql`, files, kind: "pair" }];
}

function sharedName(group: readonly NamedFile[]): FileProblem {
  const files = group.map((file) => file.fileName).toSorted();
  return {
    file: files.join(", "),
    message: `would be one migration, "${group[0]?.name}"`,
    hint: "keep one of them, or give the others another number or name",
  };
}

/** Without capitals and letters beyond ASCII no two names are the same but for those. */
const MAY_FOLD = /[A-Z\u{80}-\u{10ffff}]/u;

/** Two such names are one file on macOS and Windows: a checkout there would lose one of them. */
function sameButForCase(names: readonly string[]): FileProblem[] {
  if (!MAY_FOLD.test(names.join(""))) return [];
  const folded = new Map<string, Set<string>>();
  for (const name of names) {
    const key = name.normalize("NFC").toLowerCase();
    folded.set(key, (folded.get(key) ?? new Set()).add(name));
  }
  return [...folded.values()]
    .filter((same) => same.size > 1)
    .map((same) => ({
      file: [...same].toSorted().join(", "),
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
