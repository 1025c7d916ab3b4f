import { createHash } from "node:crypto";
import { relative, sep } from "node:path";
import { normalizeLines } from "./source-text.ts";

/** One file whose text a digest is over; its bytes are held as latin1, so that none is lost. */
export interface DigestInput {
  /** Absolute path. */
  readonly path: string;
  /** Undefined where the file is imported and not there. */
  readonly text: string | undefined;
}

/**
 * SHA-256 (hex) over files, each with its path relative to the migrations folder. The same on every
 * machine: the folder's own place, the separator and line endings do not count.
 */
export function digestOf(dir: string, inputs: readonly DigestInput[]): string {
  const lines = inputs.map(({ path, text }) => {
    const place = portablePath(dir, path);
    return `${place}\0${text === undefined ? "missing" : sha256(normalizeLines(text))}\n`;
  });
  return createHash("sha256").update(lines.toSorted().join(""), "utf8").digest("hex");
}

function portablePath(dir: string, path: string): string {
  // Some file systems decompose accents.
  const place = relative(dir, path).normalize("NFC");
  return sep === "/" ? place : place.replaceAll(sep, "/");
}

function sha256(bytes: string): string {
  return createHash("sha256").update(bytes, "latin1").digest("hex");
}
