import type { RunReport } from "../../core/index.ts";
import type { Migrator } from "../../migrator/index.ts";
import { printJson } from "../output/json.ts";
import { printReport, type RunCommand } from "../output/report.ts";
import { isOwnDatabase } from "../settings/advise.ts";
import type { Target } from "../settings/target.ts";
import { EXIT, type World } from "../world.ts";
import { withContext } from "./context.ts";
import { type DatabaseFlags, downOptionsOf, type ExtentFlags, extentOf } from "./flags.ts";
import { plan } from "./plan.ts";

export interface RunFlags extends DatabaseFlags, ExtentFlags {
  readonly fake?: boolean;
  readonly dryRun?: boolean;
}

export async function up(world: World, count: number | undefined, flags: RunFlags): Promise<number> {
  if (flags.dryRun) return plan(world, count, flags);
  return run(world, "up", count, flags, (migrator) =>
    migrator.up(extentOf(count, flags), flags.fake ? "fake" : "execute"),
  );
}

export async function down(world: World, count: number | undefined, flags: RunFlags): Promise<number> {
  if (flags.dryRun) return plan(world, count, { ...flags, down: true });
  return run(world, "down", count, flags, (migrator) =>
    migrator.down(downOptionsOf(count, flags), flags.fake ? "fake" : "execute"),
  );
}

export async function redo(world: World, count: number | undefined, flags: RunFlags): Promise<number> {
  // Where a migration is being written its down changes with it; what was applied is undone as it was recorded.
  return run(world, "redo", count, flags, (migrator, target) =>
    migrator.redo({ ...downOptionsOf(count, flags), preferHistory: isOwnDatabase(target, world) }),
  );
}

function run(
  world: World,
  command: RunCommand,
  count: number | undefined,
  flags: RunFlags,
  perform: (migrator: Migrator, target: Target) => Promise<RunReport>,
): Promise<number> {
  const extent = extentOf(count, flags);
  const remarksTo = flags.json ? world.stderr : world.stdout;
  return withContext(world, flags, { remarksTo }, async ({ migrator, printer, target }) => {
    const report = await perform(migrator, target);
    if (flags.json) printJson(world, command, report);
    else printReport(printer, { command, extent, report, fake: flags.fake === true });
    return EXIT.done;
  });
}
