import { hash } from "node:crypto";
import { relative, sep } from "node:path";
import { normalizeLines } from "./source-text.ts";

/** One file that a digest is over. */
export interface DigestInput {
  /** Absolute, or the file's name in the folder. */
  readonly path: string;
  /** As `textDigest` makes it; undefined where the file is imported and not there. */
  readonly digest: string | undefined;
}

/** SHA-256 (hex) over a file's bytes, blind to line endings and a byte order mark. */
export function textDigest(text: string, held: "latin1" | "utf8"): string {
  const lines = normalizeLines(text, held);
  return hash("sha256", held === "utf8" ? lines : Buffer.from(lines, "latin1"));
}

/**
 * SHA-256 (hex) over files, each with its path relative to the migrations folder. The same on every
 * machine: the folder's own place, the separator and line endings do not count.
 */
export function digestOf(dir: string, inputs: readonly DigestInput[]): string {
  const lines = inputs.map(({ path, digest }) => `${portablePath(dir, path)}\0${digest ?? "missing"}\n`);
  return hash("sha256", lines.toSorted().join(""));
}

function portablePath(dir: string, path: string): string {
  // Some file systems decompose accents.
  const place = (path.includes(sep) ? relative(dir, path) : path).normalize("NFC");
  return sep === "/" ? place : place.replaceAll(sep, "/");
}
