import { statSync } from "node:fs";
import { sep } from "node:path";

/** As in git: within one tick of the clock a file may change twice and keep its time and size. */
const RACY_MS = 2_000;

interface FileStat {
  readonly mtimeMs: number;
  readonly version: string;
}

/** Stats of files, each read once however many migrations import it. Paths are absolute or names in the folder. */
export class FileStats {
  readonly #dir: string;
  readonly #stats = new Map<string, FileStat | undefined>();
  readonly #settledBefore = Date.now() - RACY_MS;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** A text that changes whenever the file does; undefined where there is no such file. */
  versionOf(path: string): string | undefined {
    return this.#statOf(path)?.version;
  }

  /** Whether the last change is long enough ago for the version to identify the content. */
  isSettled(path: string): boolean {
    const stat = this.#statOf(path);
    return stat !== undefined && stat.mtimeMs < this.#settledBefore;
  }

  #statOf(path: string): FileStat | undefined {
    if (!this.#stats.has(path)) this.#stats.set(path, readStat(absolutePath(this.#dir, path)));
    return this.#stats.get(path);
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
    return { mtimeMs, version: `${mtimeMs} ${ctimeMs} ${size}` };
  } catch {
    return undefined;
  }
}
