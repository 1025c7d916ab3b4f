import type { LoadedMigration } from "../../migrator/index.ts";

const COMMENT = /^[ \t]*--[ \t]*irreversible:[ \t]*(\S.*?)[ \t]*\r?$/im;

/** Why a migration says that it cannot be undone: `export const irreversible = "…"`, in SQL `-- irreversible: …`. */
export function reasonOf(loaded: LoadedMigration): string | undefined {
  if (loaded.kind === "module") return exportedReason(loaded.exports);
  const files = loaded.kind === "sql" ? [loaded.file] : [loaded.up, loaded.down];
  return files.map((file) => COMMENT.exec(file?.text ?? "")?.[1]).find((reason) => reason !== undefined);
}

function exportedReason(exports: unknown): string | undefined {
  if (typeof exports !== "object" || exports === null) return undefined;
  const reason: unknown = Reflect.get(exports, "irreversible");
  return typeof reason === "string" && reason.trim() !== "" ? reason.trim() : undefined;
}
