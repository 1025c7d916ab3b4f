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
  numericPrefix,
  problemLines,
} from "../core/index.ts";

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
      const hint = Hint.of`${Hint.command("create")} writes the first migration and makes the folder; or name another one with ${Hint.folder()}`;
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

export const MIGRATION_EXTENSIONS: readonly string[] = [".ts", ".js", ".mjs", ".cjs", ".mts", ".cts", ".sql"];

/** `pgmigrations.name` is a varchar(255). */
const MAX_NAME = 255;
const EDITOR_JUNK = /(?:~|\.sw[a-z]|\.orig|\.bak|\.rej|\.map|\.d\.[cm]?ts|\.d\.[^.]+\.ts)$|^#.*#$/i;
/** Notes and data that people keep beside migrations and number like them. */
const COMPANIONS = [".md", ".txt", ".json"];
/** Control characters, separators that no editor shows, and what Node decodes invalid UTF-8 to. */
const UNREADABLE = /[\p{Cc}\u2028\u2029\ufffd]/u;

/** What a file in the folder is, by its name alone. */
export type FileClass =
  | { readonly kind: "ignored" }
  | { readonly kind: "problem"; readonly problem: FileProblem }
  | MigrationFile;

/** A file that is a migration, or one half of a pair. */
interface MigrationFile {
  readonly kind: "migration";
  readonly fileName: string;
  /** The migration's name. */
  readonly name: string;
  readonly role: "module" | "sql" | "up" | "down";
}

/** Whether a file is a dotfile or an editor's backup. */
export function isJunk(fileName: string): boolean {
  return fileName.startsWith(".") || EDITOR_JUNK.test(fileName);
}

/** Every problem has a hint that says how to correct the name. */
export function classifyFileName(fileName: string): FileClass {
  if (isJunk(fileName)) return { kind: "ignored" };
  const extension = extensionOf(fileName);
  const kind = extension.toLowerCase();
  const isNumbered = /^\d/.test(fileName);
  if (!MIGRATION_EXTENSIONS.includes(kind)) {
    if (!isNumbered || COMPANIONS.includes(kind)) return { kind: "ignored" };
    return problem(
      fileName,
      `has ${extension === "" ? "no extension" : `the unknown extension "${extension}"`}`,
      `use one of ${MIGRATION_EXTENSIONS.join(" ")}, or move the file out of the folder`,
    );
  }
  if (!isNumbered) {
    return problem(
      fileName,
      "has no numeric prefix, so its place in the order is unknown",
      "move it to a subfolder, or exclude it by the ignore pattern; the name of a migration begins with a number",
    );
  }
  return classifyMigration(fileName, fileName.slice(0, -extension.length), kind);
}

/** With its dot; `extname` of node:path takes five times as long. */
export function extensionOf(fileName: string): string {
  const dot = fileName.lastIndexOf(".");
  return dot > 0 ? fileName.slice(dot) : "";
}

function classifyMigration(fileName: string, stem: string, extension: string): FileClass {
  const half = extension === ".sql" ? /\.(up|down)$/i.exec(stem) : null;
  const name = half === null ? stem : stem.slice(0, half.index);
  const wrong = nameProblem(name) ?? prefixProblem(fileName);
  if (wrong !== undefined) return problem(fileName, ...wrong);
  const whole = extension === ".sql" ? "sql" : "module";
  const role = half === null ? whole : half[1]?.toLowerCase() === "up" ? "up" : "down";
  return { kind: "migration", fileName, name, role };
}

/** Why a name cannot be stored in the migrations table, and what to do. */
export function nameProblem(name: string): readonly [message: string, hint: string] | undefined {
  // The column counts code points, of which there may be fewer than code units.
  const length = name.length > MAX_NAME ? [...name].length : name.length;
  if (length > MAX_NAME) {
    return [`has a name of ${length} characters; the migrations table holds ${MAX_NAME}`, "shorten it"];
  }
  if (UNREADABLE.test(name)) {
    return [`has characters in its name that cannot be read: ${JSON.stringify(name)}`, "rename it"];
  }
  return undefined;
}

function prefixProblem(fileName: string): readonly [message: string, hint: string] | undefined {
  // node-pg-migrate would sort files with NaN or infinity anywhere.
  if (Number.isFinite(numericPrefix(fileName))) return undefined;
  return [
    `begins with ${/^\d+/.exec(fileName)?.[0]}, which is neither a number nor a UTC date (YYYYMMDDHHMMSSmmm)`,
    "correct the prefix",
  ];
}

function problem(file: string, message: string, hint: string): FileClass {
  return { kind: "problem", problem: { file, message, hint } };
}
