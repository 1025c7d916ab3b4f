import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { errorCode } from "../../core/index.ts";

/**
 * Whether a process with this id is running. A dead one that its parent has not collected does not count:
 * in a container whose first process collects nothing, they stay for ever.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    // "pid (name) state …", and the name may itself hold brackets and spaces.
    return /\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** The command line of a process; undefined where it cannot be read. */
export function commandLine(pid: number): readonly string[] | undefined {
  try {
    if (process.platform === "linux") {
      // Not /proc/<pid>/cwd or exe: root in a container may not read those of another user.
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    }
    if (process.platform === "win32") return undefined;
    return [execFileSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" })];
  } catch {
    return undefined;
  }
}
