import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { MigrationError } from "../../core/index.ts";

/** Where a migration's own code threw, as `file:line:column`; undefined when that is not what happened. */
export function placeOfThrow({ code, details }: MigrationError, cwd: string): string | undefined {
  if (code !== "MIGRATION") return undefined;
  const frames = stackOf(details.cause).matchAll(
    /^ +at .*?((?:file:\/\/)?(?:\/|[A-Z]:[\\/])[^()]*):(\d+):(\d+)\)?$/gm,
  );
  for (const [, file = "", line, column] of frames) {
    if (/[\\/]node_modules[\\/]/.test(file)) continue;
    const path = file.startsWith("file:") ? fileURLToPath(file) : file;
    if (ENGINE.test(path)) continue;
    return `${relative(cwd, path)}:${line}:${column}`;
  }
  return undefined;
}

/** Calls of `pgm` go through these files before they reach node-pg-migrate. A project may have a `lib/engine` too. */
const ENGINE =
  /[\\/]lib[\\/](?:engine[\\/](?:contain|load|node-pg-migrate|queries|live-db|render)|postgres[\\/][\w-]+)\.ts$/;

/** The stack of the first error in the chain of causes. */
function stackOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const cause: unknown = Reflect.get(error, "cause");
  if (typeof cause === "object" && cause !== null) return stackOf(cause);
  const stack: unknown = Reflect.get(error, "stack");
  return typeof stack === "string" ? stack : "";
}
