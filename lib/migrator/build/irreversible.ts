import type { LoadedMigration } from "../../core/index.ts";
import { tokenize } from "../sql/lexer.ts";

/** The down of a migration that has none. */
export class NoWayDown {
  /** Why, as its file says; undefined when it says nothing. */
  readonly reason: string | undefined;

  constructor(reason?: string) {
    this.reason = reason;
  }
}

/** How a file says that it cannot be undone, for hints. */
export const HOW_TO_DECLARE =
  'export const irreversible = "the reason", in SQL the comment -- irreversible: the reason';

/**
 * Why a migration says that it cannot be undone: `export const irreversible = "…"`, in SQL `-- irreversible: …`.
 * `export const down = false` says the same without a reason.
 */
export function irreversibleReason(loaded: LoadedMigration): string | undefined {
  if (loaded.kind === "module") return exportedReason(loaded.exports);
  const files = loaded.kind === "sql" ? [loaded.file] : [loaded.up, loaded.down];
  return files.map((file) => commentedReason(file?.text ?? "")).find((reason) => reason !== undefined);
}

function exportedReason(exports: unknown): string | undefined {
  if (typeof exports !== "object" || exports === null) return undefined;
  const reason: unknown = Reflect.get(exports, "irreversible");
  if (typeof reason === "string" && reason.trim() !== "") return reason.trim();
  return Reflect.get(exports, "down") === false ? "its file says down = false" : undefined;
}

const COMMENT = /^--[ \t]*irreversible:[ \t]*(\S.*?)\s*$/i;

function commentedReason(sql: string): string | undefined {
  if (!/--[ \t]*irreversible:/i.test(sql)) return undefined;
  const comments = tokenize(sql).filter(({ kind }) => kind === "comment");
  return comments
    .map(({ start, end }) => COMMENT.exec(sql.slice(start, end))?.[1])
    .find((reason) => reason !== undefined);
}
