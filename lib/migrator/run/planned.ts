import type { Direction, DownSource } from "../../core/index.ts";
import type { BuildContext, Built } from "../build/build.ts";

/** One migration that a run will do, with the SQL it will send if that can be known beforehand. */
export interface Planned {
  readonly name: string;
  readonly direction: Direction;
  readonly context: BuildContext;
  readonly built: Built;
  /** Where the SQL comes from: its file, or what was stored when it was applied. */
  readonly source: DownSource;
  /** Digest of its files, for the history. */
  readonly sourceDigest?: string | undefined;
}
