import { type Stats, statSync } from "node:fs";
import { isAbsolute, sep } from "node:path";

/** As git has it: within one tick of the clock a file may change twice and keep its time and size. */
const RACY_MS = 2_000;

/** Looks at each file once, however many migrations import it. Paths are absolute or names in the folder. */
export interface Stamps {
  /** A text that differs when the file does; undefined where there is no such file. */
  of(path: string): string | undefined;
  /** Whether the file has been left alone for long enough to trust its stamp. */
  settled(path: string): boolean;
}

interface Taken {
  readonly stamp: string | undefined;
  readonly settled: boolean;
}

export function takeStamps(dir: string): Stamps {
  const taken = new Map<string, Taken>();
  const settledBefore = Date.now() - RACY_MS;
  const take = (path: string): Taken => {
    const known = taken.get(path);
    if (known !== undefined) return known;
    const fresh = toTaken(statOf(isAbsolute(path) ? path : `${dir}${sep}${path}`), settledBefore);
    taken.set(path, fresh);
    return fresh;
  };
  return { of: (path) => take(path).stamp, settled: (path) => take(path).settled };
}

/**
 * A run with nothing to do is mostly this call, a thousand times: the synchronous one, without options, on a
 * path put together by hand, takes half of what the obvious way does.
 */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function toTaken(stats: Stats | undefined, settledBefore: number): Taken {
  if (stats === undefined) return { stamp: undefined, settled: false };
  const { mtimeMs, ctimeMs, size } = stats;
  return { stamp: `${mtimeMs}:${ctimeMs}:${size}`, settled: mtimeMs < settledBefore };
}
