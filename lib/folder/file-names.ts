import { type FileProblem, numericPrefix } from "../core/index.ts";

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
export interface MigrationFile {
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
      "move it to a subfolder, or leave it out with --ignore-pattern (ignorePattern of the construct); the name of a migration begins with a number",
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
