import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import {
  type FleetSummary,
  type Outcome,
  summarize as summarizeOutcomes,
  untouchedOutcome,
} from "../../lib/fleet/index.ts";
import { ENV, FLEET_METRICS } from "../contract.ts";
import { cut } from "../runtime/custom-resource.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { problemsOf } from "../runtime/schema.ts";
import type { Environment } from "../runtime/settings.ts";
import { Bucket } from "./bucket.ts";
import { EXECUTION_PLAN, type ExecutionPlan, planKey } from "./plan.ts";
import { readOutcomes } from "./results.ts";

const StepsError = v.object({ Error: v.optional(v.string(), ""), Cause: v.optional(v.string(), "") });

/** The part of the state machine's words that is used here. */
const SUMMARIZE = v.object({ plan: v.object({ prefix: v.string(), error: v.optional(StepsError) }) });

/** What an execution ends with: short enough for Step Functions and CloudFormation, the rest is in a file. */
export interface SummaryAnswer extends FleetSummary {
  /** Of an execution that fails. */
  readonly code?: string;
  readonly fleet: string;
  readonly command: ExecutionPlan["command"];
  readonly release: string;
  readonly execution: string;
  /** Where the outcome of every target is. */
  readonly summary: string;
  /** Why the waves ended before the last one. */
  readonly error?: v.InferOutput<typeof StepsError>;
}

const SHOWN = 20;
const MESSAGE_BYTES = 500;
const CAUSE_BYTES = 1_000;

/** Ends an execution: reads what became of every target, writes it down, and says in short how the fleet stands. */
export async function summarize(
  payload: unknown,
  { log }: Invocation,
  env: Environment,
): Promise<SummaryAnswer> {
  const { prefix, error } = parse(payload);
  const bucket = new Bucket(env[ENV.fleetBucket] ?? "", "FLEET");
  try {
    const plan = v.parse(PlanFile, await bucket.read(planKey(prefix)));
    const known = new Map((await readOutcomes(bucket, `${prefix}results/`)).map((one) => [one.target, one]));
    const outcomes = plan.waves.flatMap(({ targets }) =>
      targets.map((target) => known.get(target) ?? untouchedOutcome(target)),
    );
    const { fleet, machine, command, release, execution } = plan;
    const ok = error === undefined && isOk(plan, known);
    const summary = { ...summarizeOutcomes(outcomes, 0), ok };
    const key = `${prefix}summary.json`;
    await bucket.write(key, { ...{ fleet, command, release, execution }, ...summary, outcomes });
    if (machine === "operate") log.counts({ Fleet: fleet }, metricsOf(summary.counts));
    log.info(`${command} is over`, { ...summary.counts, ok });
    return {
      ok,
      ...(ok ? {} : { code: "FLEET" }),
      ...{ fleet, command, release, execution, counts: summary.counts },
      versions: summary.versions.slice(0, SHOWN),
      failed: summary.failed.slice(0, SHOWN).map(shortened),
      summary: `s3://${bucket.name}/${key}`,
      ...(error === undefined ? {} : { error: { Error: error.Error, Cause: cut(error.Cause, CAUSE_BYTES) } }),
    };
  } finally {
    bucket.close();
  }
}

const PlanFile = v.pipe(v.string(), v.parseJson(), EXECUTION_PLAN);

function parse(payload: unknown): v.InferOutput<typeof SUMMARIZE>["plan"] {
  const parsed = v.safeParse(SUMMARIZE, payload);
  if (parsed.success) return parsed.output.plan;
  throw new MigrationError("ASSET", `this is no plan of a fleet: ${problemsOf(parsed.issues)}`, {
    hint: "The construct's state machines invoke this function: deploy again.",
  });
}

/** Each wave by its own tolerance. */
function isOk({ waves }: ExecutionPlan, known: ReadonlyMap<string, Outcome>): boolean {
  return waves.every(({ targets, tolerated }) => {
    const outcomes = targets.map((target) => known.get(target)?.outcome ?? "untouched");
    return !outcomes.includes("untouched") && outcomes.filter((one) => one === "failed").length <= tolerated;
  });
}

function shortened(outcome: Outcome): Outcome {
  const { message } = outcome;
  return message === undefined ? outcome : { ...outcome, message: cut(message, MESSAGE_BYTES) };
}

function metricsOf({ done, failed, untouched }: FleetSummary["counts"]): Readonly<Record<string, number>> {
  return { [FLEET_METRICS.done]: done, [FLEET_METRICS.failed]: failed, [FLEET_METRICS.untouched]: untouched };
}
