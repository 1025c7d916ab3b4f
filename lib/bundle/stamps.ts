import { statSync } from "node:fs";
import { sep } from "node:path";

/** As git has it: within one tick of the clock a file may change twice and keep its time and size. */
const RACY_MS = 2_000;

/** What differs when a file does. Numbers: as text they would take as long to make as the file to look at. */
export interface Stamp {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly size: number;
}

/** Looks at each file once, however many migrations import it. Paths are absolute or names in the folder. */
export interface Stamps {
  /** Undefined where there is no such file. */
  of(path: string): Stamp | undefined;
  /** Whether the file has been left alone for long enough to trust its stamp. */
  settled(path: string): boolean;
}

export function takeStamps(dir: string): Stamps {
  const taken = new Map<string, Stamp | undefined>();
  const settledBefore = Date.now() - RACY_MS;
  const take = (path: string): Stamp | undefined => {
    const known = taken.get(path);
    if (known !== undefined || taken.has(path)) return known;
    const fresh = stampOf(placeOf(dir, path));
    taken.set(path, fresh);
    return fresh;
  };
  return {
    of: take,
    settled: (path) => {
      const stamp = take(path);
      return stamp !== undefined && stamp.mtimeMs < settledBefore;
    },
  };
}

/** The absolute path of what is given by one, or by its name in the folder, which has no separator. */
export function placeOf(dir: string, path: string): string {
  return path.includes(sep) ? path : `${dir}${sep}${path}`;
}

/**
 * A run with nothing to do is mostly this call, a thousand times: the synchronous one, without options, on a
 * path put together by hand, takes half of what the obvious way does.
 */
function stampOf(path: string): Stamp | undefined {
  try {
    const { mtimeMs, ctimeMs, size } = statSync(path);
    return { mtimeMs, ctimeMs, size };
  } catch {
    return undefined;
  }
}
