/**
 * Kills the processes it was told of when whoever told it is gone, even by `kill -9`: a frozen process cannot notice
 * that itself. Reads `+<pid>` and `-<pid>`, a line each.
 */
import { createInterface } from "node:readline";

const pids = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith("+")) pids.add(Number(line.slice(1)));
  else pids.delete(Number(line.slice(1)));
}
for (const pid of pids) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
