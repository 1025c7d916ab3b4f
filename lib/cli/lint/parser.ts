import type { Node } from "libpg-query";
import { errorCode, MigrationError } from "../../core/index.ts";
import { createOffsets } from "./offsets.ts";
import { INSTALL_LINTERS } from "./squawk.ts";

/** One statement of a text, by where it is in UTF-16 code units. */
export interface ParsedStatement {
  readonly node: Node;
  readonly start: number;
  readonly end: number;
}

export interface Comment {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type Parsed =
  | {
      readonly kind: "statements";
      readonly statements: readonly ParsedStatement[];
      readonly comments: readonly Comment[];
    }
  | { readonly kind: "error"; readonly message: string; readonly offset: number };

/** PostgreSQL's own parser. */
export interface Parser {
  parse(sql: string): Parsed;
}

type Library = typeof import("libpg-query");

/** @throws MigrationError `USAGE` when the library is not installed */
export async function loadParser(
  load: () => Promise<Library> = () => import("libpg-query"),
): Promise<Parser> {
  const library = await load().catch((cause: unknown) => {
    if (errorCode(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new MigrationError("USAGE", "lint needs the package libpg-query, which is not installed", {
      hint: INSTALL_LINTERS,
      cause,
    });
  });
  await library.loadModule();
  return { parse: (sql) => parseWith(library, sql) };
}

function parseWith(library: Library, text: string): Parsed {
  // Through UTF-8 and back: the WASM module cannot take halves of surrogate pairs.
  const sql = Buffer.from(text).toString();
  if (sql.trim() === "") return { kind: "statements", statements: [], comments: [] };
  try {
    const offsets = createOffsets(sql);
    const statements = (library.parseSync(sql).stmts ?? []).flatMap((raw) => {
      if (raw.stmt === undefined) return [];
      const byte = raw.stmt_location ?? 0;
      // In rising order, which is what keeps this linear.
      const start = offsets.ofByte(byte);
      const end = raw.stmt_len === undefined ? sql.length : offsets.ofByte(byte + raw.stmt_len);
      return [{ node: raw.stmt, start, end }];
    });
    return { kind: "statements", statements, comments: commentsOf(library, sql) };
  } catch (error) {
    if (!library.hasSqlDetails(error)) throw error;
    const offset = createOffsets(sql).ofCharacter(error.sqlDetails?.cursorPosition ?? 0);
    return { kind: "error", message: error.message, offset };
  }
}

function commentsOf(library: Library, sql: string): Comment[] {
  if (!sql.includes("--") && !sql.includes("/*")) return [];
  const offsets = createOffsets(sql);
  return library.scanSync(sql).tokens.flatMap(({ tokenName, start, end }) => {
    if (tokenName !== "SQL_COMMENT" && tokenName !== "C_COMMENT") return [];
    const place = { start: offsets.ofByte(start), end: offsets.ofByte(end) };
    return [{ ...place, text: sql.slice(place.start, place.end) }];
  });
}
