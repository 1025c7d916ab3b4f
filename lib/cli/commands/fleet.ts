import { planTargets, statusTargets, upTargets } from "../../client/index.ts";
import { type Outcome, summarize } from "../../fleet/index.ts";
import { defineCommand } from "../command.ts";
import { FLEET_FLAGS, type Fleet, type FleetFlags, openFleet } from "../fleet/open.ts";
import { describeCounts, NAMES_SHOWN, printSummary, targetsOf } from "../fleet/output.ts";
import { listNames, printFindings, printJson, visible } from "../output/printer.ts";
import { printWaiting } from "../output/waiting.ts";
import { EXIT, type ProcessIo, widthOf } from "../process-io.ts";
import { printPlan } from "./plan.ts";

export const fleet = defineCommand({
  name: "fleet",
  summary: "status, plan or up of many schemas or databases with the same migrations",
  input: {},
  flags: FLEET_FLAGS,
  run: async (io, flags) => {
    const opened = await openFleet(io, flags);
    switch (flags.action) {
      case "status":
        return showStatus(io, flags, opened);
      case "plan":
        return showPlans(io, flags, opened);
      case "up":
        return migrate(io, flags, opened);
    }
  },
});

async function showStatus(io: ProcessIo, flags: FleetFlags, fleet: Fleet): Promise<number> {
  const outcomes = await statusTargets(fleet.run);
  const hasWork = outcomes.some(({ pending = 0, code }) => pending > 0 || code !== undefined);
  const { ok } = summarize(outcomes, fleet.tolerated);
  const exitCode = !ok ? EXIT.failed : flags.check && hasWork ? EXIT.workFound : EXIT.done;
  return finish(io, flags, fleet, { outcomes, exitCode });
}

async function migrate(io: ProcessIo, flags: FleetFlags, fleet: Fleet): Promise<number> {
  const outcomes = await upTargets(fleet.run);
  const exitCode = summarize(outcomes, fleet.tolerated).ok ? EXIT.done : EXIT.failed;
  return finish(io, flags, fleet, { outcomes, exitCode });
}

interface Finished {
  readonly outcomes: readonly Outcome[];
  readonly exitCode: number;
}

/** Prints the result. */
function finish(
  io: ProcessIo,
  { action, json }: FleetFlags,
  { tolerated, printer, remarks }: Fleet,
  { outcomes, exitCode: usual }: Finished,
): number {
  const summary = summarize(outcomes, tolerated);
  const { exitCode, error } = endOf(io, usual);
  if (json) {
    printJson(io, "fleet", { action, ...summary, ok: exitCode === EXIT.done, ...error, targets: outcomes });
    return exitCode;
  }
  const { counts } = summary;
  const isDone = counts.failed + counts.untouched === 0 || action !== "up";
  const again = isDone ? "" : " The same command goes on with what is left.";
  printer.line();
  printSummary(printer, summary, outcomes, widthOf(io.stdout));
  printer.line(`${targetsOf(outcomes.length)}: ${describeCounts(counts)}.${again}`);
  if (exitCode === EXIT.cancelled)
    remarks.line("Cancelled: what ran was rolled back to the end of its last migration.");
  return exitCode;
}

/** A command that a person cancelled has the exit code for that, whatever became of its targets. */
function endOf(io: ProcessIo, usual: number): { readonly exitCode: number; readonly error: object } {
  const reason: unknown = io.signal.reason;
  if (typeof reason !== "string") return { exitCode: usual, error: {} };
  const error = { code: "CANCELLED", message: `cancelled (${reason})` };
  return { exitCode: EXIT.cancelled, error: { error } };
}

async function showPlans(io: ProcessIo, flags: FleetFlags, fleet: Fleet): Promise<number> {
  const { run, tolerated, remarks, printer } = fleet;
  const { outcomes, groups } = await planTargets(run);
  const summary = summarize(outcomes, tolerated);
  const isRefused = outcomes.some(({ outcome, code }) => outcome === "done" && code !== undefined);
  const { exitCode, error } = endOf(io, summary.ok && !isRefused ? EXIT.done : EXIT.failed);
  if (flags.json) {
    printJson(io, "fleet", { action: "plan", ...summary, ok: exitCode === EXIT.done, ...error, groups });
    return exitCode;
  }
  for (const { targets, plan } of groups) {
    const heading = `-- ${targetsOf(targets.length)}: ${listNames(targets, NAMES_SHOWN)}`;
    printer.line(printer.colors.bold(visible(heading)));
    await printPlan(printer, plan);
    printWaiting(remarks, plan.waiting);
    printFindings(remarks, plan);
  }
  printSummary(remarks, { ...summary, versions: [] }, outcomes, widthOf(io.stderr));
  return exitCode;
}
