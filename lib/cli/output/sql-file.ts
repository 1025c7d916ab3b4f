import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { maskSecrets } from "../../sql/index.ts";

/** A statement in the file it came from, so that line numbers are those of the file. */
export interface FoundStatement {
  readonly path: string;
  /** The whole file, passwords masked. */
  readonly text: string;
  /** Characters (code points, as Postgres counts) before the statement. */
  readonly before: number;
}

/** Nothing found is no problem: the statement itself can be shown. */
export function findInSqlFile(
  dir: string,
  migration: string,
  statement: string,
  firstLine: number | undefined,
  cwd: string,
): FoundStatement | undefined {
  // The engine ends a file's text with a semicolon of its own.
  const wanted = statement.replace(/\s*;?\s*$/, "");
  for (const extension of [".sql", ".up.sql", ".down.sql"]) {
    const path = join(dir, migration + extension);
    const text = maskSecrets(readIfThere(path));
    let at = text.indexOf(wanted);
    // The same statement may stand in a file more than once.
    while (at >= 0 && firstLine !== undefined && lineAt(text, at) !== firstLine)
      at = text.indexOf(wanted, at + 1);
    if (at >= 0) return { path: relative(cwd, path), text, before: [...text.slice(0, at)].length };
  }
  return undefined;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split(/\r\n|\r|\n/).length;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch {
    return "";
  }
}
