import { planTarget, runWaves, statusTarget, upTarget } from "../../client/index.ts";
import { groupPlans, type Outcome, summarize } from "../../fleet/index.ts";
import { defineCommand } from "../command.ts";
import { FLEET_FLAGS, type Fleet, type FleetFlags, openFleet } from "../fleet/open.ts";
import { outputWidth, printSummary, targetsOf } from "../fleet/output.ts";
import { listNames, printFindings, printJson, visibleAll } from "../output/printer.ts";
import { printWaiting } from "../output/waiting.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";
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
  const { waves, migratorOf, limits, tolerated } = fleet;
  const outcomes = await runWaves(waves, (target) => statusTarget(migratorOf(target), target), limits);
  const hasWork = outcomes.some(({ pending = 0, code }) => pending > 0 || code !== undefined);
  return finish(io, flags, fleet, {
    outcomes,
    exitCode: !summarize(outcomes, tolerated).ok
      ? EXIT.failed
      : flags.check && hasWork
        ? EXIT.workFound
        : EXIT.done,
  });
}

async function migrate(io: ProcessIo, flags: FleetFlags, fleet: Fleet): Promise<number> {
  const { waves, migratorOf, limits, tolerated } = fleet;
  const outcomes = await runWaves(waves, (target) => upTarget(migratorOf(target), target), limits);
  return finish(io, flags, fleet, {
    outcomes,
    exitCode: summarize(outcomes, tolerated).ok ? EXIT.done : EXIT.failed,
  });
}

interface Finished {
  readonly outcomes: readonly Outcome[];
  readonly exitCode: number;
}

/** Prints the result. A cancelled command has the exit code for that, whatever became of its targets. */
function finish(
  io: ProcessIo,
  flags: FleetFlags,
  { tolerated, printer, remarks }: Fleet,
  finished: Finished,
): number {
  const { outcomes } = finished;
  const summary = summarize(outcomes, tolerated);
  const isCancelled = typeof io.signal.reason === "string";
  const exitCode = isCancelled ? EXIT.cancelled : finished.exitCode;
  const error = isCancelled
    ? { error: { code: "CANCELLED", message: `cancelled (${io.signal.reason})` } }
    : {};
  if (flags.json) {
    printJson(io, "fleet", {
      action: flags.action,
      ...summary,
      ok: exitCode === EXIT.done,
      ...error,
      targets: outcomes,
    });
    return exitCode;
  }
  printer.line();
  printSummary(printer, summary, outcomes, outputWidth(io));
  printer.line(closing(flags, finished, isCancelled));
  if (isCancelled) remarks.line("Cancelled: what ran was rolled back to the end of its last migration.");
  return exitCode;
}

function closing({ action, tolerate = 0 }: FleetFlags, { outcomes }: Finished, isCancelled: boolean): string {
  const { counts } = summarize(outcomes, tolerate);
  const parts = [
    `${counts.done} done`,
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.untouched > 0 ? [`${counts.untouched} untouched`] : []),
  ];
  const isOver = counts.failed + counts.untouched === 0 && !isCancelled;
  const again = isOver || action !== "up" ? "" : " The same command goes on with what is left.";
  return `${targetsOf(outcomes.length)}: ${parts.join(", ")}.${again}`;
}

async function showPlans(io: ProcessIo, flags: FleetFlags, fleet: Fleet): Promise<number> {
  const { waves, migratorOf, limits, tolerated, remarks, printer } = fleet;
  const plans = new Map<string, Awaited<ReturnType<typeof planTarget>>>();
  const outcomes = await runWaves(
    waves,
    async (target) => {
      const planned = await planTarget(migratorOf(target), target);
      plans.set(target.name, planned);
      return planned.outcome;
    },
    limits,
  );
  const groups = groupPlans(
    outcomes.flatMap(({ target }) => {
      const plan = plans.get(target)?.plan;
      return plan === undefined ? [] : [{ target, plan }];
    }),
  );
  const summary = summarize(outcomes, tolerated);
  const isRefused = outcomes.some(({ outcome, code }) => outcome === "done" && code !== undefined);
  const isCancelled = typeof io.signal.reason === "string";
  const exitCode = isCancelled ? EXIT.cancelled : summary.ok && !isRefused ? EXIT.done : EXIT.failed;
  if (flags.json) {
    printJson(io, "fleet", { action: "plan", ...summary, ok: exitCode === EXIT.done, groups });
    return exitCode;
  }
  for (const { targets, plan } of groups) {
    printer.line(
      printer.colors.bold(visibleAll(`-- ${targetsOf(targets.length)}: ${listNames(targets, 8)}`)),
    );
    await printPlan(printer, plan);
    printWaiting(remarks, plan.waiting);
    printFindings(remarks, plan);
  }
  printSummary(remarks, { ...summary, versions: [] }, outcomes, outputWidth(io));
  return exitCode;
}
