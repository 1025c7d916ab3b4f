import { inRunningOrder, MigrationError, numericPrefix } from "../core/index.ts";
import { splitStatements } from "../sql/index.ts";
import type { SourceFolder } from "./source-folder.ts";
import type { Section } from "./sql-text.ts";

/** A tool whose migrations can be imported: how its folder and its table are read. */
export interface Tool {
  /** As its makers write it. */
  readonly title: string;
  /** Where its migrations usually are, relative to the project. */
  readonly folder: string;
  readonly table: ToolTable;
  /** Files of its folder that it runs at certain moments. */
  readonly callback?: RegExp;
  /** The migrations of its folder in the order in which the tool runs them. */
  readonly readFolder: (folder: SourceFolder) => Promise<readonly ForeignMigration[]>;
  /**
   * What the rows of its table say to be applied.
   * @throws MigrationError `PARTIAL` if one of them failed or is half-applied
   */
  readonly readTable: (
    rows: readonly Row[],
    migrations: readonly ForeignMigration[],
  ) => readonly AppliedMigration[];
}

/** The table in which a tool records what it has applied. */
export interface ToolTable {
  readonly name: string;
  /** One that the tool makes for its table alone. */
  readonly schema?: string;
  /** Those that are read; a table without one of them is not the tool's. */
  readonly columns: readonly [string, ...string[]];
  /** Columns by which the table of another tool with the same name is recognized. */
  readonly foreignColumns?: Readonly<Record<string, string>>;
  /** The tool's other tables; a baseline leaves them out. */
  readonly companions?: readonly string[];
  /** Where the tool notes that it is running. */
  readonly lock?: ToolLock;
}

export interface ToolLock {
  /** A table of the same schema. */
  readonly name: string;
  /** True or 1 while a run holds the lock. */
  readonly column: string;
  /** How a lock is released that a run has left behind. */
  readonly release: string;
}

/** A row of a tool's table: every value as Postgres writes it as text. */
export type Row = Readonly<Record<string, string | null>>;

/** A migration of another tool. */
export interface ForeignMigration {
  /** How the tool's table identifies it. */
  readonly key: string;
  /** Its file, or the first of its files, relative to the folder. */
  readonly file: string;
  /** The name that it gets here, unless the names would then be in another order. */
  readonly title: string;
  readonly content: SqlContent | Unconvertible;
  /** As the tool computes it, for a warning if the file was edited after it was applied. */
  readonly checksum?: string;
  /** What is different here, in words that hold for several migrations; those with equal notes are listed together. */
  readonly notes?: readonly string[];
}

export interface SqlContent {
  readonly kind: "sql";
  readonly up: Section;
  /** Absent if the tool cannot undo it. */
  readonly down?: Section;
}

/** A migration that cannot be converted, and why. */
export interface Unconvertible {
  readonly kind: "unconvertible";
  readonly reason: string;
}

export interface AppliedMigration {
  readonly key: string;
  /** Of its file when it was applied. */
  readonly checksum?: string | null;
  /** Like the notes of a migration. */
  readonly notes?: readonly string[];
}

export function unconvertible(reason: string): Unconvertible {
  return { kind: "unconvertible", reason };
}

/**
 * A migration with only an `up`, or with both directions. An empty `down` undoes nothing, so there is none. Rows in the
 * file behind a `COPY` are the protocol of psql and the like, no SQL.
 */
export function sqlContent(up: Section, down?: Section): SqlContent | Unconvertible {
  if ([up, down].some((one) => one !== undefined && copiesRows(one.sql)))
    return unconvertible("its COPY reads rows from the file");
  return down === undefined || down.sql === "" ? { kind: "sql", up } : { kind: "sql", up, down };
}

function copiesRows(sql: string): boolean {
  return splitStatements(sql).some(({ text }) => /^copy\b/i.test(text) && /\bfrom\s+stdin\b/i.test(text));
}

/** @throws MigrationError `PARTIAL` */
export function refuseFailed(tool: string, failed: readonly string[], hint: string): void {
  if (failed.length === 0) return;
  const which = failed.join(", ");
  throw new MigrationError("PARTIAL", `the table of ${tool} says that ${which} failed or did not finish`, {
    hint,
  });
}

/**
 * Names that sort here as the tool orders its migrations. Titles that already do are kept; otherwise all get a number
 * in front, which depends on the folder alone and is the same for every database.
 */
export function namesInOrder(titles: readonly string[]): readonly string[] {
  const sorted = inRunningOrder([...new Set(titles)], (title) => title);
  const isSorted = sorted.length === titles.length && sorted.every((title, i) => title === titles[i]);
  if (isSorted && titles.every((title) => Number.isFinite(numericPrefix(title)))) return titles;
  const width = Math.max(4, String(titles.length).length);
  return titles.map((title, index) => `${String(index + 1).padStart(width, "0")}_${title}`);
}
