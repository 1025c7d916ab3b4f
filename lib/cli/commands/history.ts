import type { HistoryFilter } from "../../core/index.ts";
import { printHistory } from "../output/history.ts";
import { printJson } from "../output/json.ts";
import { EXIT, type World } from "../world.ts";
import { withDatabaseAlone } from "./context.ts";
import type { DatabaseFlags } from "./flags.ts";

export interface HistoryFlags extends DatabaseFlags {
  readonly migration?: string;
  readonly action?: NonNullable<HistoryFilter["action"]>;
  readonly state?: NonNullable<HistoryFilter["state"]>;
  readonly failed?: boolean;
  readonly limit?: number;
}

export function history(world: World, flags: HistoryFlags): Promise<number> {
  const remarksTo = flags.json ? world.stderr : world.stdout;
  return withDatabaseAlone(world, flags, { remarksTo }, async ({ migrator, printer }) => {
    const report = await migrator.history({
      ...(flags.migration === undefined ? {} : { migration: flags.migration }),
      ...(flags.action === undefined ? {} : { action: flags.action }),
      ...(flags.state === undefined ? {} : { state: flags.state }),
      ...(flags.failed ? { state: "failed" } : {}),
      ...(flags.limit === undefined ? {} : { limit: flags.limit }),
    });
    if (flags.json) printJson(world, "history", report);
    else printHistory(printer, report, flags.migration);
    return EXIT.done;
  });
}
