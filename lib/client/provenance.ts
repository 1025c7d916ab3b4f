import { execFileSync } from "node:child_process";
import { hostname, userInfo } from "node:os";
import { type Provenance, TOOL } from "../core/index.ts";

/** Who runs, for the history: the user of the operating system, and the git commit of the migrations, if any. */
export function readProvenance(cwd: string): Provenance {
  return {
    actor: `${readUser()}@${hostname()}`,
    origin: "cli",
    tool: TOOL,
    get revision() {
      // Only a run that writes reads it, once: starting git takes time.
      return readRevision(cwd);
    },
  };
}

interface GivenProvenance {
  readonly actor: string | undefined;
  readonly revision: string | undefined;
}

/** The same for a program: the history knows the command line, a deploy, and a command from elsewhere. */
export function programProvenance(cwd: string, { actor, revision }: GivenProvenance): Provenance {
  const own = readProvenance(cwd);
  return {
    actor: actor ?? own.actor,
    origin: "command",
    tool: own.tool,
    get revision() {
      return revision ?? own.revision;
    },
  };
}

/** In a container, the user may be a number without a name. */
function readUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

function readRevision(cwd: string): string | undefined {
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 2000,
    });
    return commit.trim() || undefined;
  } catch {
    return undefined;
  }
}
