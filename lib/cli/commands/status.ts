import { COMMANDS } from "../../commands/index.ts";
import type { StatusReport } from "../../core/index.ts";
import { defineCommand, toggle } from "../command.ts";
import { DATABASE_FLAGS } from "../flags.ts";
import { printJson } from "../output/json.ts";
import { printStatus } from "../output/status.ts";
import { EXIT } from "../world.ts";
import { withContext } from "./context.ts";

export const status = defineCommand({
  name: "status",
  summary: COMMANDS.status.summary,
  input: {},
  flags: {
    check: toggle("--check", "exit with 3 when anything is pending, changed, partial or missing"),
    all: toggle("--all", "show old applied migrations too"),
    ...DATABASE_FLAGS,
  },
  run: (world, flags, input) => {
    const remarksTo = flags.json ? world.stderr : world.stdout;
    return withContext(world, flags, { remarksTo }, async ({ migrator, printer }) => {
      const report = await COMMANDS.status.run(migrator, input);
      const exitCode = flags.check && hasWork(report) ? EXIT.workFound : EXIT.done;
      if (flags.json) printJson(world, "status", { ok: exitCode === EXIT.done, ...report });
      else printStatus(printer, report, { all: flags.all === true, width: world.stdout.columns });
      return exitCode;
    });
  },
});

/** Anything but applied migrations is work, except a database that newer code has taken ahead. */
function hasWork({ counts }: StatusReport): boolean {
  return counts.pending + counts.changed + counts.partial + counts.missing > 0;
}
