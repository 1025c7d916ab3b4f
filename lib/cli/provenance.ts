import { execFileSync } from "node:child_process";
import { hostname, userInfo } from "node:os";
import { type Provenance, TOOL } from "../core/index.ts";

/** Who runs, for the history: the operating system's user, and the git commit of the migrations if there is one. */
export function readProvenance(cwd: string): Provenance {
  return {
    actor: `${readUser()}@${hostname()}`,
    origin: "cli",
    tool: TOOL,
    get revision() {
      // A run asks when it is about to write, and asks once.
      return readRevision(cwd);
    },
  };
}

/** A container may run as a number without a name. */
function readUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

function readRevision(cwd: string): string | undefined {
  try {
    const found = execFileSync("git", ["rev-parse", "HEAD"], {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 2000,
    });
    return found.trim() || undefined;
  } catch {
    return undefined;
  }
}
