import { readFileSync } from "node:fs";
import { type DigestInput, textDigest } from "./digest.ts";
import { FolderError } from "./errors.ts";
import { mayExportShorthands, mayImportLocalFiles, mentionedPaths, refersToItself } from "./source-text.ts";
import { placeOf, type Stamps } from "./stamps.ts";
import { errorCode, errorMessage } from "./unknown.ts";

/** What is said of one file; its text is let go at once. */
export interface FileFacts extends DigestInput {
  readonly shorthands: boolean;
  readonly refersToItself: boolean;
  readonly mayImport: boolean;
  /** What may be paths of files that it reads. */
  readonly mentions: readonly string[];
}

/** Reads files, absolute or by their names in the folder, as what they are to a migration. */
export interface FileReader {
  module(file: string): FileFacts;
  sql(file: string): FileFacts;
  /** Once, however many migrations import it. */
  imported(path: string): FileFacts;
  /** What a migration only reads: of any kind. */
  data(path: string): FileFacts;
}

interface FileText {
  readonly text: string;
  readonly held: "latin1" | "utf8";
}

const NOTHING = {
  digest: undefined,
  shorthands: false,
  refersToItself: false,
  mayImport: false,
  mentions: [],
};

export function fileReader(dir: string, stamps: Stamps): FileReader {
  // The stamp is taken first, so that a later change shows.
  const read = (path: string) => (stamps.of(path) === undefined ? undefined : readText(placeOf(dir, path)));
  const facts = (path: string, more: (text: string) => Partial<FileFacts>): FileFacts => {
    const found = read(path);
    if (found === undefined) return { ...NOTHING, path };
    const { text, held } = found;
    return { ...NOTHING, path, digest: textDigest(text, held), ...more(text) };
  };
  const shared = new Map<string, FileFacts>();
  return {
    module: (file) => facts(file, moduleFacts),
    sql: (file) => facts(file, () => ({})),
    imported: (path) => {
      const known = shared.get(path) ?? facts(path, importedFacts);
      shared.set(path, known);
      return known;
    },
    data: (path) => {
      const known = shared.get(path) ?? facts(path, () => ({}));
      shared.set(path, known);
      return known;
    },
  };
}

function moduleFacts(text: string): Partial<FileFacts> {
  return {
    shorthands: mayExportShorthands(text),
    refersToItself: refersToItself(text),
    mayImport: mayImportLocalFiles(text),
    mentions: mentionedPaths(text),
  };
}

function importedFacts(text: string): Partial<FileFacts> {
  return { refersToItself: refersToItself(text), mentions: mentionedPaths(text) };
}

/** Undefined where there is no such file. */
function readText(path: string): FileText | undefined {
  try {
    const text = readFileSync(path, "utf8");
    // Node reads this way in half the time, but what is not UTF-8 comes out changed, and a digest is over bytes.
    return text.includes("\ufffd")
      ? { text: readFileSync(path, "latin1"), held: "latin1" }
      : { text, held: "utf8" };
  } catch (cause) {
    // An import without its extension may name a folder; whether it leads anywhere shows when it is compiled.
    if (errorCode(cause) === "EISDIR") return undefined;
    const message = `a file cannot be read: ${errorMessage(cause)}`;
    throw new FolderError("MIGRATION", message, { problems: [{ file: path, message }], cause });
  }
}
