import { hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import {
  type ContractDeclaration,
  errorCode,
  errorMessage,
  MigrationError,
  readBaselineHeader,
  readContractComment,
} from "../core/index.ts";
import { nearest } from "./cache-dir.ts";
import { readContractExport } from "./contract-text.ts";
import { isJunk } from "./listing.ts";
import {
  mayExportShorthands,
  mayImportLocalFiles,
  mentionedPaths,
  normalizeLines,
  refersToItself,
  type TextEncoding,
} from "./source-text.ts";

/** What a migration's digest needs to know of one file; its text is not kept. */
export interface FileInfo {
  /** Absolute, or the file's name in the folder. */
  readonly path: string;
  /** SHA-256 (hex) of its text, see `normalizeLines`; undefined where there is no such file. */
  readonly digest: string | undefined;
  readonly shorthands: boolean;
  readonly refersToItself: boolean;
  readonly mayImport: boolean;
  /** Strings that may be paths of files it reads. */
  readonly mentions: readonly string[];
  /** The header of a baseline. */
  readonly baseline: readonly string[];
  /** What a migration says about its contract. */
  readonly contract: ContractDeclaration | undefined;
}

/** Reads files by absolute path, or by name in the folder; each is read once however many migrations need it. */
export interface FileReader {
  /** A migration that is a module. */
  module(path: string): FileInfo;
  /** A module that a migration imports. */
  imported(path: string): FileInfo;
  /** A migration in SQL. */
  sql(path: string): FileInfo;
  /** Data that a migration reads. */
  plain(path: string): FileInfo;
}

const NO_INFO = {
  digest: undefined,
  shorthands: false,
  refersToItself: false,
  mayImport: false,
  mentions: [],
  baseline: [],
  contract: undefined,
};

export function fileReader(dir: string, stats: FileStats): FileReader {
  const infos = new Map<string, FileInfo>();
  const read = (path: string, inspect: (text: string) => Partial<FileInfo>): FileInfo => {
    // The stat is taken before the text is read, so that a later change shows.
    const file = stats.versionOf(path) === undefined ? undefined : readText(absolutePath(dir, path));
    if (file === undefined) return { ...NO_INFO, path };
    return { ...NO_INFO, path, digest: textDigest(file.text, file.encoding), ...inspect(file.text) };
  };
  const readOnce = (path: string, inspect: (text: string) => Partial<FileInfo>): FileInfo => {
    const info = infos.get(path) ?? read(path, inspect);
    infos.set(path, info);
    return info;
  };
  return {
    module: (path) => readOnce(path, inspectMigration),
    imported: (path) => readOnce(path, inspectImported),
    sql: (path) => readOnce(path, inspectSql),
    plain: (path) => readOnce(path, () => ({})),
  };
}

function inspectSql(text: string): Partial<FileInfo> {
  return { baseline: readBaselineHeader(text), contract: readContractComment(text) };
}

function inspectMigration(text: string): Partial<FileInfo> {
  return {
    ...inspectImported(text),
    shorthands: mayExportShorthands(text),
    mayImport: mayImportLocalFiles(text),
    contract: readContractExport(text),
  };
}

function inspectImported(text: string): Partial<FileInfo> {
  return { refersToItself: refersToItself(text), mentions: mentionedPaths(text) };
}

interface FileText {
  readonly text: string;
  readonly encoding: TextEncoding;
}

/** Undefined where there is no such file. */
function readText(path: string): FileText | undefined {
  try {
    const text = readFileSync(path, "utf8");
    // Reading as UTF-8 takes half the time, but loses bytes that are not UTF-8; a digest must not.
    return text.includes("\ufffd")
      ? { text: readFileSync(path, "latin1"), encoding: "latin1" }
      : { text, encoding: "utf8" };
  } catch (cause) {
    // An import without extension may name a folder; compiling shows whether it resolves.
    if (errorCode(cause) === "EISDIR") return undefined;
    const message = `a file cannot be read: ${errorMessage(cause)}`;
    throw new MigrationError("MIGRATION", message, { problems: [{ file: path, message }], cause });
  }
}

function textDigest(text: string, encoding: TextEncoding): string {
  const lines = normalizeLines(text, encoding);
  return hash("sha256", encoding === "utf8" ? lines : Buffer.from(lines, "latin1"));
}

/** Files that a migration may read while it runs. */
export interface MentionedFiles {
  /** Absolute paths, sorted. */
  readonly files: readonly string[];
  /** Folders that were searched: a file that is added there may be read too. */
  readonly folders: readonly string[];
}

/** A search stops after so many files. */
const MAX_FILES = 500;

/**
 * The files that strings in a module name, relative to the module or to the root of its package. A false positive costs
 * a comparison of the migration's SQL when that file changes; paths built from variables are not found.
 */
export function mentionedFiles(dir: string, { path, mentions }: FileInfo): MentionedFiles {
  const module = absolutePath(dir, path);
  const manifest = nearest(dir, "package.json");
  const files = new Set<string>();
  const folders = new Set<string>();
  for (const mention of mentions) {
    const beside = resolve(dirname(module), `.${sep}${mention}`);
    // The migrations folder and the folders above it are no data.
    if (!`${dir}${sep}`.startsWith(`${beside}${sep}`)) collect(beside, files, folders);
    const fromRoot = manifest === undefined ? beside : resolve(dirname(manifest), `.${sep}${mention}`);
    if (statSync(fromRoot, { throwIfNoEntry: false })?.isFile()) files.add(fromRoot);
  }
  files.delete(module);
  return { files: [...files].toSorted(), folders: [...folders] };
}

/** Adds a file, or all files in a folder and its subfolders. */
function collect(path: string, files: Set<string>, folders: Set<string>): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile()) files.add(path);
  if (!stats?.isDirectory() || folders.has(path) || files.size > MAX_FILES) return;
  folders.add(path);
  for (const name of readdirSync(path)) {
    if (!isJunk(name) && name !== "node_modules") collect(join(path, name), files, folders);
  }
}

/** As in git: within one tick of the clock a file may change twice and keep its time and size. */
const RACY_MS = 2_000;

interface FileStat {
  readonly mtimeMs: number;
  readonly version: string;
}

/** Stats of files, each read once however many migrations import it. Paths are absolute or names in the folder. */
export class FileStats {
  readonly #dir: string;
  readonly #stats = new Map<string, FileStat | undefined>();
  readonly #settledBefore = Date.now() - RACY_MS;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** A text that changes whenever the file does; undefined where there is no such file. */
  versionOf(path: string): string | undefined {
    return this.#statOf(path)?.version;
  }

  /** Whether the last change is long enough ago for the version to identify the content. */
  isSettled(path: string): boolean {
    const stat = this.#statOf(path);
    return stat !== undefined && stat.mtimeMs < this.#settledBefore;
  }

  #statOf(path: string): FileStat | undefined {
    if (!this.#stats.has(path)) this.#stats.set(path, readStat(absolutePath(this.#dir, path)));
    return this.#stats.get(path);
  }
}

/** The absolute path of a file that is named by its absolute path, or by its name in the folder (without separator). */
export function absolutePath(dir: string, path: string): string {
  return path.includes(sep) ? path : `${dir}${sep}${path}`;
}

/** Most of the time of a no-op run is spent here: `statSync` without options, on a concatenated path, is twice as fast. */
function readStat(path: string): FileStat | undefined {
  try {
    const { mtimeMs, ctimeMs, size } = statSync(path);
    return { mtimeMs, version: `${mtimeMs} ${ctimeMs} ${size}` };
  } catch {
    return undefined;
  }
}
