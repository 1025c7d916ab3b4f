import { extname } from "node:path";
import { MigrationError } from "../../core/index.ts";
import { MIGRATION_EXTENSIONS, nameProblem } from "../file-names.ts";

/** Digits of a number and its underscore, up to a UTC date of 17. */
const PREFIX = "0".repeat(17).concat("_");
/** Most file systems take 255 bytes, with the extension. */
const LONGEST_FILE_NAME = 255 - ".sql".length;

/**
 * The words of a migration as its file name has them, the number aside: spaces and underscores become
 * dashes, as in node-pg-migrate.
 * @throws MigrationError "USAGE" for what could not be loaded afterwards, or not be checked out on Windows.
 */
export function migrationStem(words: string): string {
  const stem = words.trim().replace(/[ _]+/g, "-");
  const wrong = stemProblem(stem);
  if (wrong === undefined) return stem;
  const [message, hint] = wrong;
  throw new MigrationError("USAGE", `migration name ${JSON.stringify(words)} ${message}`, { hint });
}

function stemProblem(stem: string): readonly [message: string, hint: string] | undefined {
  if (!/[\p{L}\p{N}]/u.test(stem)) return ["says nothing", 'say what it does, such as "add user table"'];
  if (/[/\\]/.test(stem))
    return ["holds a path separator", "give a name, and the folder with --migrations-dir"];
  if (stem.startsWith(".")) return ["begins with a dot", "leave the dot out"];
  if (/[<>:"|?*]/.test(stem)) return ['holds one of < > : " | ? *, which Windows refuses', "leave it out"];
  const ending = /\.(?:d|up|down)$/i.exec(stem)?.[0] ?? migrationExtension(stem);
  if (ending !== undefined)
    return [`ends with "${ending}", which has a meaning of its own`, "leave the ending out"];
  if (Buffer.byteLength(PREFIX + stem) > LONGEST_FILE_NAME)
    return ["is too long for a file name", "shorten it"];
  return nameProblem(stem);
}

function migrationExtension(stem: string): string | undefined {
  const extension = extname(stem);
  return MIGRATION_EXTENSIONS.includes(extension.toLowerCase()) ? extension : undefined;
}
