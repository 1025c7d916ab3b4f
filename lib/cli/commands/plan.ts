import { COMMANDS } from "../../commands/index.ts";
import { count, defineCommand, parsed } from "../command.ts";
import { DATABASE_FLAGS, type DatabaseFlags } from "../flags.ts";
import { printFindings } from "../output/findings.ts";
import { printJson } from "../output/json.ts";
import { printPlan } from "../output/plan.ts";
import { EXIT, type World } from "../world.ts";
import { withContext } from "./context.ts";

const { fields } = COMMANDS.plan;

export const plan = defineCommand({
  name: "plan",
  summary: COMMANDS.plan.summary,
  input: {
    count: parsed("[count]", fields.count.meaning, count),
    down: { ...fields.down, written: "--down" },
    to: { ...fields.to, written: "--to <name>" },
    batch: { ...fields.batch, written: "--batch" },
    from: { ...fields.from, written: "--from <source>" },
  },
  flags: DATABASE_FLAGS,
  run: (world, flags, input) => showPlan(world, flags, input),
});

type PlanInput = Parameters<typeof COMMANDS.plan.run>[1];

/** Exit code 1 when the run would be refused, so that a pipeline can ask beforehand. */
export async function showPlan(world: World, flags: DatabaseFlags, input: PlanInput): Promise<number> {
  COMMANDS.plan.check?.(input);
  return withContext(world, flags, { remarksTo: world.stderr }, async ({ migrator, printer, remarks }) => {
    const report = await COMMANDS.plan.run(migrator, input);
    if (flags.json) {
      printJson(world, "plan", { ok: report.refusals.length === 0, ...report });
    } else {
      await printPlan(printer, report);
      printFindings(remarks, report);
    }
    return report.refusals.length > 0 ? EXIT.failed : EXIT.done;
  });
}
