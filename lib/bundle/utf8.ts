import { isUtf8 } from "node:buffer";
import { MigrationError } from "../core/index.ts";

/** Where a text is not what it should be. */
export interface NotUtf8 {
  /** Both 1-based; the column counts bytes. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export const SAVE_AS_UTF8 = "save it as UTF-8: iconv -f LATIN1 -t UTF-8, or the encoding that it really has";

/**
 * Why bytes are no text in UTF-8; undefined when they are. Read all the same they would become other characters,
 * and those would be written to the database.
 */
export function whyNotUtf8(bytes: Buffer): NotUtf8 | undefined {
  const wide = utf16(bytes);
  if (wide !== undefined) return { line: 1, column: 1, message: `is ${wide}, not UTF-8` };
  if (isUtf8(bytes)) return undefined;
  const at = firstInvalid(bytes);
  const before = bytes
    .subarray(0, at)
    .toString("latin1")
    .split(/\r\n|\r|\n/);
  const byte = (bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, "0");
  return {
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    message: `is not UTF-8: byte 0x${byte} at offset ${at}`,
  };
}

/** By its mark, or because every other byte of what is nearly all ASCII is zero. */
function utf16(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "UTF-16 (little-endian)";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "UTF-16 (big-endian)";
  if (!bytes.includes(0)) return undefined;
  const looked = bytes.subarray(0, 1_000);
  const zeros = [0, 0];
  for (const [index, byte] of looked.entries())
    if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  const most = looked.length * 0.3;
  if (odd > most && even < odd / 4) return "UTF-16 (little-endian, without a mark)";
  if (even > most && odd < even / 4) return "UTF-16 (big-endian, without a mark)";
  return undefined;
}

function firstInvalid(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length > 1 && !isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return at;
}

/** @throws MigrationError `MIGRATION` naming the file, the line and the byte */
export function requireUtf8(file: string, bytes: Buffer): void {
  const found = whyNotUtf8(bytes);
  if (found === undefined) return;
  const { line, column, message } = found;
  throw new MigrationError("MIGRATION", `${file}:${line}:${column} ${message}`, {
    problems: [{ file, line, column, message, hint: SAVE_AS_UTF8 }],
    hint: SAVE_AS_UTF8,
  });
}
