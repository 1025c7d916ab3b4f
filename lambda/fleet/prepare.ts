import { MigrationError } from "../../lib/core/index.ts";
import { chooseTargets, type FleetTarget, planWaves, readCanary, type Wave } from "../../lib/fleet/index.ts";
import { ENV } from "../contract.ts";
import { openAsset } from "../runtime/asset.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readRoot, readSettings } from "../runtime/settings.ts";
import { Bucket } from "./bucket.ts";
import { type Item, requireOtherSecret, requireOwnLogin, type TargetRequest } from "./item.ts";
import { inParallel } from "./parallel.ts";
import { type ExecutionPlan, planKey } from "./plan.ts";
import { type FleetRequest, type PreparePayload, parseFleetRequest, parsePrepare } from "./request.ts";
import { loadTargets } from "./sources.ts";

/** The plan of an execution, as its state machine goes through it. Step Functions hands on 256 kB: names are elsewhere. */
export interface Prepared {
  readonly fleet: string;
  readonly machine: "status" | "operate";
  readonly command: TargetRequest["command"];
  /** Hash of the migrations. */
  readonly release: string;
  readonly execution: string;
  /** Of all keys of the execution in the bucket. */
  readonly prefix: string;
  /** How many targets. */
  readonly count: number;
  readonly waves: readonly PreparedWave[];
}

export interface PreparedWave {
  readonly name: string;
  readonly count: number;
  /** Groups at once. */
  readonly concurrency: number;
  /** Failed targets after which the next wave still begins. */
  readonly tolerated: number;
  /** Whether a person must approve before the wave begins. */
  readonly approval: boolean;
  readonly pauseSeconds: number;
  readonly groups: readonly PreparedGroup[];
}

export interface PreparedGroup {
  readonly server: string;
  /** Of the items of its Distributed Map. */
  readonly key: string;
  /** Of the results that it writes. */
  readonly resultPrefix: string;
  readonly count: number;
  /** Targets at once. */
  readonly concurrency: number;
}

/** Step Functions carries 256 kB in UTF-16, and adds to it. */
const ANSWER_BYTES = 200_000;
const FILES_AT_ONCE = 10;

/**
 * Begins an execution: checks its input, asks for the targets, divides them into waves, and writes for each group of a wave
 * the file that a Distributed Map reads.
 * @throws MigrationError
 */
export async function prepare(
  payload: unknown,
  { log, requestId }: Invocation,
  env: Environment,
): Promise<Prepared> {
  const parsed = parsePrepare(payload);
  const { execution, machine, source, fleet } = parsed;
  const request = parseFleetRequest(parsed);
  const settings = readSettings(env);
  const all = await loadTargets(source, settings, env);
  const targets = chooseTargets(all, request.targets);
  requireOwnLogin(targets, settings);
  if (source.kind === "query" || source.kind === "json") requireOtherSecret(targets, settings);
  log.info(`${request.request.command} was asked for`, {
    fleet: fleet.name,
    targets: targets.length,
    of: all.length,
  });
  const waves = planWaves(targets, waveOptions(parsed, request, all));
  const { hash: release } = openAsset(readRoot(env)).manifest;
  // Both state machines may have executions of the same name, and one may have it again after 90 days: what a target once
  // was must not count.
  const prefix = `${env[ENV.fleetPrefix] ?? ""}executions/${execution}/${requestId}/`;
  const answer: Prepared = {
    ...{ fleet: fleet.name, machine, command: request.request.command, release, execution, prefix },
    count: targets.length,
    waves: waves.map((wave, index) => prepareWave(wave, index, prefix, parsed)),
  };
  requireSmall(answer);
  await writePlan(env, answer, waves, request);
  return answer;
}

function waveOptions(
  { machine, fleet }: PreparePayload,
  request: FleetRequest,
  all: readonly FleetTarget[],
): Parameters<typeof planWaves>[1] {
  return {
    canary: readCanary(request.canary, all),
    concurrency: fleet.maxConcurrency,
    perServer: Math.min(fleet.maxConcurrencyPerServer, fleet.maxConcurrency),
    // Who asks for the state of all targets wants the others' too.
    tolerated: machine === "status" ? all.length : request.toleratedFailures,
  };
}

function prepareWave(
  { name, count, concurrency, tolerated, groups }: Wave,
  index: number,
  prefix: string,
  { machine, fleet }: PreparePayload,
): PreparedWave {
  const waits = index > 0 && machine === "operate";
  return {
    ...{ name, count, concurrency, tolerated },
    approval: waits && fleet.approval,
    pauseSeconds: waits ? fleet.pauseSeconds : 0,
    groups: groups.map(({ server, targets, concurrency }, number) => ({
      server,
      key: `${prefix}items/${index}-${number}.json`,
      resultPrefix: `${prefix}results/${index}-${number}`,
      count: targets.length,
      concurrency,
    })),
  };
}

function requireSmall(answer: Prepared): void {
  const bytes = Buffer.byteLength(JSON.stringify(answer));
  if (bytes <= ANSWER_BYTES) return;
  const servers = answer.waves.reduce((sum, { groups }) => sum + groups.length, 0);
  throw new MigrationError(
    "TARGETS",
    `an execution on ${servers} servers is more than Step Functions carries`,
    {
      hint: "Divide the targets among several fleets, or start an execution for each part of them with `targets`.",
    },
  );
}

async function writePlan(
  env: Environment,
  prepared: Prepared,
  waves: readonly Wave[],
  { request, toleratedFailures }: FleetRequest,
): Promise<void> {
  const { fleet, machine, command, release, execution, prefix } = prepared;
  const bucket = new Bucket(env[ENV.fleetBucket] ?? "", "FLEET");
  const groups = prepared.waves.flatMap((wave, index) =>
    wave.groups.map((group, number) => ({ ...group, targets: waves[index]?.groups[number]?.targets ?? [] })),
  );
  const plan: ExecutionPlan = {
    ...{ fleet, machine, command, release, execution },
    waves: waves.map(({ name, tolerated, groups }) => ({
      name,
      tolerated: machine === "status" ? toleratedFailures : tolerated,
      targets: groups.flatMap(({ targets }) => targets.map((target) => target.name)),
    })),
  };
  const itemOf = (target: FleetTarget): Item => ({ slice: { execution }, fleet, release, target, request });
  try {
    await inParallel(groups, FILES_AT_ONCE, ({ key, targets }) => bucket.write(key, targets.map(itemOf)));
    await bucket.write(planKey(prefix), plan);
  } finally {
    bucket.close();
  }
}
