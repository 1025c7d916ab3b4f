import { MigrationError } from "../../core/index.ts";
import { maskedPlan } from "../../migrator/index.ts";
import { printFindings } from "../output/findings.ts";
import { printJson } from "../output/json.ts";
import { printPlan } from "../output/plan.ts";
import { EXIT, type World } from "../world.ts";
import { withContext } from "./context.ts";
import { type DatabaseFlags, downOptionsOf, type ExtentFlags, extentOf } from "./flags.ts";

export interface PlanFlags extends DatabaseFlags, ExtentFlags {
  readonly down?: boolean;
}

/** Exit code 1 when the run would be refused, so that a pipeline can ask beforehand. */
export async function plan(world: World, count: number | undefined, flags: PlanFlags): Promise<number> {
  const downOnly = flags.batch ? "--batch" : flags.from && "--from";
  if (!flags.down && downOnly) {
    throw new MigrationError("USAGE", `${downOnly} is about undoing`, {
      hint: "Add --down, or leave it out.",
    });
  }
  return withContext(world, flags, { remarksTo: world.stderr }, async ({ migrator, printer, remarks }) => {
    const report = await (flags.down
      ? migrator.planDown(downOptionsOf(count, flags))
      : migrator.planUp(extentOf(count, flags)));
    if (flags.json) {
      printJson(world, "plan", { ok: report.refusals.length === 0, ...maskedPlan(report) });
    } else {
      await printPlan(printer, report);
      printFindings(remarks, report);
    }
    return report.refusals.length > 0 ? EXIT.failed : EXIT.done;
  });
}
