import type { StatusReport } from "../../core/index.ts";
import { printJson } from "../output/json.ts";
import { printStatus } from "../output/status.ts";
import { EXIT, type World } from "../world.ts";
import { withContext } from "./context.ts";
import type { DatabaseFlags } from "./flags.ts";

export interface StatusFlags extends DatabaseFlags {
  readonly check?: boolean;
  readonly all?: boolean;
}

export function status(world: World, flags: StatusFlags): Promise<number> {
  const remarksTo = flags.json ? world.stderr : world.stdout;
  return withContext(world, flags, { remarksTo }, async ({ migrator, printer }) => {
    const report = await migrator.status();
    const exitCode = flags.check && hasWork(report) ? EXIT.workFound : EXIT.done;
    if (flags.json) {
      printJson(world, "status", { ok: exitCode === EXIT.done, ...report });
    } else {
      printStatus(printer, report, { all: flags.all === true, width: world.stdout.columns });
    }
    return exitCode;
  });
}

/** Anything but applied migrations is work, except a database that newer code has taken ahead. */
function hasWork({ counts }: StatusReport): boolean {
  return counts.pending + counts.changed + counts.partial + counts.missing > 0;
}
