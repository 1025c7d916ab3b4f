import { readFileSync } from "node:fs";

/** To look takes half a millisecond for each process, on the cores that the tools run on. */
const INTERVAL_MS = 20;
/** Of the clock in /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** What the processes below one have used as far as it was seen. */
export interface Usage {
  readonly cpuMs: number;
  /** Of the processes that were there at the same moment, each one's peak together. */
  readonly peakMb: number;
}

/** Looks at all descendants of a process every few milliseconds. Without /proc it sees nothing. */
export function watchTree(root: number): { stop(): Usage | undefined } {
  let peakKb = 0;
  const ticks = new Map<number, number>();
  const look = () => {
    let together = 0;
    for (const pid of descendants(root)) {
      const seen = usageOf(pid);
      if (seen === undefined) continue;
      together += seen.peakKb;
      ticks.set(pid, seen.ticks);
    }
    peakKb = Math.max(peakKb, together);
  };
  const timer = setInterval(look, INTERVAL_MS);
  look();
  return {
    stop() {
      clearInterval(timer);
      if (ticks.size === 0) return undefined;
      return { cpuMs: (sum(ticks) / TICKS_PER_SECOND) * 1000, peakMb: peakKb / 1024 };
    },
  };
}

function descendants(pid: number): number[] {
  const own = read(`/proc/${pid}/cmdline`);
  // Those of the main thread: the tools start processes from no other, and each of Node's eleven would be one more read.
  const children = numbersIn(read(`/proc/${pid}/task/${pid}/children`))
    // Until it has become its program, a child is its parent once more, with all of its memory.
    .filter((child) => read(`/proc/${child}/cmdline`) !== own);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function usageOf(pid: number): { readonly peakKb: number; readonly ticks: number } | undefined {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
  // The name, in parentheses, may hold anything; after it come the state (field 3) and on.
  const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ");
  if (peak === undefined || fields === undefined) return undefined;
  return { peakKb: Number(peak), ticks: Number(fields[11] ?? 0) + Number(fields[12] ?? 0) };
}

/** A process may end between one look and the next. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function numbersIn(text: string): number[] {
  return text.split(" ").flatMap((word) => (word === "" ? [] : [Number(word)]));
}

function sum(values: ReadonlyMap<number, number>): number {
  return [...values.values()].reduce((total, value) => total + value, 0);
}
