import { extname } from "node:path";
import type { FileProblem } from "../core/index.ts";

export const MODULE_EXTENSIONS: readonly string[] = [".ts", ".js", ".mjs", ".cjs", ".mts", ".cts"];
export const MIGRATION_EXTENSIONS: readonly string[] = [...MODULE_EXTENSIONS, ".sql"];

/** `pgmigrations.name` is a varchar(255). */
const LONGEST_NAME = 255;
const EDITOR_JUNK = /(?:~|\.sw[a-z]|\.orig|\.bak|\.rej|\.map|\.d\.[cm]?ts|\.d\.[^.]+\.ts)$|^#.*#$/i;
/** Notes and data people keep beside migrations, numbered like them. */
const COMPANIONS = new Set([".md", ".txt", ".json"]);
/**
 * What nearly every file is called: a number that is no date, letters of ASCII, and nothing wrong. Without it the
 * other questions are most of what listing a thousand files costs.
 */
const ORDINARY = /^(\d{1,16}(?!\d)[\w-]{0,200})\.(?:ts|js|(?:(up|down)\.)?(sql))$/;
// Control characters, separators no editor shows, and what Node puts where a name is not UTF-8.
const UNREADABLE = /[\p{Cc}\u2028\u2029\ufffd]/u;

/** What one file of a folder is, by its name alone. */
export type FileClass =
  | { readonly kind: "ignored" }
  | { readonly kind: "problem"; readonly problem: FileProblem }
  | NamedFile;

/** A file that is a migration or half of one. */
export interface NamedFile {
  readonly kind: "migration";
  readonly fileName: string;
  readonly name: string;
  readonly role: FileRole;
}

/** A whole migration as a module or as SQL, or one half of a pair. */
export type FileRole = "module" | "sql" | "up" | "down";

/**
 * The number a file name begins with, as node-pg-migrate orders by it: 17 digits are a UTC date
 * (YYYYMMDDHHMMSSmmm), anything else is the number itself. NaN where there is none.
 */
export function numericPrefix(fileName: string): number {
  const digits = /^\d+/.exec(fileName)?.[0] ?? "";
  if (digits.length !== 17) return digits === "" ? Number.NaN : Number(digits);
  const date = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/, "$1-$2-$3T$4:$5:$6.$7Z");
  return new Date(date).valueOf();
}

/** Dotfiles and what editors leave behind: nobody's data. */
export function isJunk(fileName: string): boolean {
  return fileName.startsWith(".") || EDITOR_JUNK.test(fileName);
}

/** Decides what a file is. Every way a name can be wrong says how to put it right. */
export function classifyFileName(fileName: string): FileClass {
  const ordinary = ORDINARY.exec(fileName);
  if (ordinary !== null) return ordinaryMigration(fileName, ordinary);
  if (isJunk(fileName)) return { kind: "ignored" };
  const extension = extname(fileName);
  const kind = extension.toLowerCase();
  const numbered = /^\d/.test(fileName);
  if (!MIGRATION_EXTENSIONS.includes(kind)) {
    if (!numbered || COMPANIONS.has(kind)) return { kind: "ignored" };
    return problem(
      fileName,
      `has ${extension === "" ? "no extension" : `the unknown extension "${extension}"`}`,
      `use one of ${MIGRATION_EXTENSIONS.join(" ")}, or move the file out of the folder`,
    );
  }
  if (!numbered) {
    return problem(
      fileName,
      "has no numeric prefix, so its place in the order is unknown",
      "move it to a subfolder, or leave it out with --ignore-pattern (ignorePattern of the construct); the name of a migration begins with a number",
    );
  }
  return classifyMigration(fileName, fileName.slice(0, -extension.length), kind);
}

function ordinaryMigration(fileName: string, found: RegExpExecArray): NamedFile {
  // By index: an array pattern would go through an iterator, for each of a thousand files.
  const { 1: name = "", 2: half, 3: sql } = found;
  if (half !== undefined) return { kind: "migration", fileName, name, role: half === "up" ? "up" : "down" };
  return { kind: "migration", fileName, name, role: sql === undefined ? "module" : "sql" };
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

/** What keeps a name out of the table, with what to do about it. */
export function nameProblem(name: string): readonly [message: string, hint: string] | undefined {
  // The column counts characters, of which a string may have fewer than its length.
  const length = name.length > LONGEST_NAME ? [...name].length : name.length;
  if (length > LONGEST_NAME) {
    return [`has a name of ${length} characters; the migrations table holds ${LONGEST_NAME}`, "shorten it"];
  }
  if (UNREADABLE.test(name)) {
    return [`has characters in its name that cannot be read: ${JSON.stringify(name)}`, "rename it"];
  }
  return undefined;
}

function prefixProblem(fileName: string): readonly [message: string, hint: string] | undefined {
  // Neither NaN nor infinity can be ordered: node-pg-migrate would put such files anywhere.
  if (Number.isFinite(numericPrefix(fileName))) return undefined;
  return [
    `begins with ${/^\d+/.exec(fileName)?.[0]}, which is neither a number nor a UTC date (YYYYMMDDHHMMSSmmm)`,
    "correct the prefix",
  ];
}

function problem(file: string, message: string, hint: string): FileClass {
  return { kind: "problem", problem: { file, message, hint } };
}
