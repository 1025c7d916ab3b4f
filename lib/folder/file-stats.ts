import { statSync } from "node:fs";
import { sep } from "node:path";

/** As in git: within one tick of the clock a file may change twice and keep its time and size. */
const RACY_MS = 2_000;

/** Changes whenever the file's content does. */
export interface FileStat {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly size: number;
}

/** Stats of files, each read once however many migrations import it. Paths are absolute or names in the folder. */
export class FileStats {
  readonly #dir: string;
  readonly #stats = new Map<string, FileStat | undefined>();
  readonly #settledBefore = Date.now() - RACY_MS;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Undefined where there is no such file. */
  of(path: string): FileStat | undefined {
    const known = this.#stats.get(path);
    if (known !== undefined || this.#stats.has(path)) return known;
    const stat = readStat(absolutePath(this.#dir, path));
    this.#stats.set(path, stat);
    return stat;
  }

  /** Whether the last change is long enough ago for the stat to identify the content. */
  isSettled(path: string): boolean {
    const stat = this.of(path);
    return stat !== undefined && stat.mtimeMs < this.#settledBefore;
  }
}

/** The absolute path of a file that is named by its absolute path, or by its name in the folder (without separator). */
export function absolutePath(dir: string, path: string): string {
  return path.includes(sep) ? path : `${dir}${sep}${path}`;
}

/** Most of the time of a no-op run is spent here: `statSync` without options, on a concatenated path, is twice as fast. */
function readStat(path: string): FileStat | undefined {
  try {
    const { mtimeMs, ctimeMs, size } = statSync(path);
    return { mtimeMs, ctimeMs, size };
  } catch {
    return undefined;
  }
}
