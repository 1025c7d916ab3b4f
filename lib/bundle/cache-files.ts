import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Writes a file that others may be reading or writing at the same moment: they see all of it or what was
 * there before.
 */
export function writeAtomically(path: string, text: string): void {
  // Whatever the umask says: what lies in a cache is executed or deployed.
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Removes what lies in the folder and nobody has written or touched for so long. */
export function sweep(dir: string, olderThanMs: number): void {
  const limit = Date.now() - olderThanMs;
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    try {
      if (statSync(path).mtimeMs < limit) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process swept it first.
    }
  }
}
