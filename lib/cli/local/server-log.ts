import { type FileHandle, open, readFile, rename, stat } from "node:fs/promises";
import { ifPresent } from "./failure.ts";

const ROTATE_BYTES = 10_000_000;
const TAIL_LINES = 12;

export interface OpenLog {
  readonly handle: FileHandle;
  /** Where what will be written begins. */
  readonly from: number;
}

/** Opens the log for a server to append to; a large one is put aside first, as `….1`. */
export async function openLog(path: string): Promise<OpenLog> {
  const size = (await ifPresent(stat(path)))?.size ?? 0;
  if (size > ROTATE_BYTES) await rename(path, `${path}.1`);
  const handle = await open(path, "a", 0o600);
  return { handle, from: (await handle.stat()).size };
}

/** The last lines of what was written since `from`. */
export async function tailOf(path: string, from: number): Promise<string> {
  const bytes = await ifPresent(readFile(path));
  const text = bytes?.subarray(from).toString("utf8") ?? "";
  return text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
}
