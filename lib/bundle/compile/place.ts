import { createHash } from "node:crypto";
import { readFileSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { errorMessage, MigrationError } from "../../core/index.ts";
import { sweep, writeAtomically } from "../cache-dir.ts";

/** Far longer than any process takes between placing a module and importing it. */
const UNUSED_AFTER_MS = 60 * 60 * 1000;

/** Compiled code and where it belongs. */
export interface CompiledModule {
  readonly code: string;
  readonly path: string;
}

/**
 * A module's file is named by what it holds: two processes can only ever write the same, and an old one is
 * never taken for a new one.
 */
export function compiledModule(cacheDir: string, code: string): CompiledModule {
  const name = createHash("sha256").update(code).digest("hex").slice(0, 32);
  return { code, path: join(cacheDir, "compiled", `${name}.mjs`) };
}

/** Sees to it that the file is there, and returns its URL. Files nobody has asked for lately are removed. */
export function placeModule({ code, path }: CompiledModule): string {
  if (!keepExisting(path, code)) write(path, code);
  return pathToFileURL(path).href;
}

function write(path: string, code: string): void {
  try {
    writeAtomically(path, code);
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch (cause) {
    const hint = "give another folder for the cache, or make room in this one";
    throw new MigrationError("FILE_SYSTEM", `cannot write compiled migrations: ${errorMessage(cause)}`, {
      hint,
      cause,
    });
  }
}

/** Saves the file from others' sweeping. One that a crash cut short, or that somebody changed, does not count. */
function keepExisting(path: string, code: string): boolean {
  try {
    if (readFileSync(path, "utf8") !== code) return false;
    const now = new Date();
    utimesSync(path, now, now);
    return true;
  } catch {
    return false;
  }
}
