import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { errorMessage, type Migration, MigrationError } from "../../core/index.ts";
import { isJunk } from "../file-names.ts";
import { requireUtf8 } from "../utf8.ts";

/** What systems put into folders, beside dotfiles. */
const SYSTEM_FILES = new Set(["thumbs.db", "desktop.ini", "node_modules"]);

/**
 * Everything below the migrations folder that is neither a migration nor junk, by its path in there: what migrations
 * may read at run time. Links count as what they lead to. Line ends of texts are those of Unix, as git has them.
 * @throws MigrationError when one cannot be read.
 */
export function readDataFiles(dir: string, entries: readonly Migration[]): ReadonlyMap<string, Uint8Array> {
  const migrations = new Set(entries.flatMap(({ files }) => files));
  const found = new Map<string, Uint8Array>();
  const visit = (folder: string, prefix: string, parents: readonly string[]): void => {
    for (const name of readdirSync(folder).toSorted()) {
      const path = join(folder, name);
      if (isJunk(name) || SYSTEM_FILES.has(name.toLowerCase())) continue;
      if (prefix === "" && migrations.has(name)) continue;
      const stats = statOf(path);
      if (stats.isFile()) found.set(`${prefix}${name}`, readData(path));
      if (!stats.isDirectory()) continue;
      // A link to a folder above would have no end.
      const real = realpathSync(path);
      if (!parents.includes(real)) visit(path, `${prefix}${name}/`, [...parents, real]);
    }
  };
  visit(dir, "", [dir]);
  return found;
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Texts of a known encoding. What else there is may be in any. */
const TEXTS = /\.(?:sql|json|[cm]?[jt]sx?)$/i;

function readData(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    if (TEXTS.test(path)) requireUtf8(path, bytes);
    return withUnixLines(bytes);
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    throw unreadable(path, cause);
  }
}

/** A text is what git takes for one: without a zero byte. */
function withUnixLines(bytes: Buffer): Uint8Array {
  if (bytes.includes(0) || !bytes.includes("\r\n")) return bytes;
  return Buffer.from(bytes.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}

function unreadable(path: string, cause: unknown): MigrationError {
  const message = `a file beside the migrations cannot be read: ${errorMessage(cause)}`;
  const hint =
    "make it readable or remove it: migrations that read files beside them are deployed with all of them";
  return new MigrationError("MIGRATION", message, { problems: [{ file: path, message }], hint, cause });
}
