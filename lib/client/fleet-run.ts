import {
  ERRORS,
  type LoadedMigration,
  MigrationError,
  type MigratorOptions,
  type PlanReport,
  type Provenance,
} from "../core/index.ts";
import { Migrator, maskedPlan } from "../engine/index.ts";
import {
  type FleetTarget,
  failedOutcome,
  type KnownState,
  type Outcome,
  serverOf,
  targetOptions,
  untouchedOutcome,
  type Wave,
} from "../fleet/index.ts";
import type { MigrationFolder } from "../folder/index.ts";
import type { ConnectionSettings } from "../postgres/index.ts";

/** What happens while a command works on a fleet. */
export type FleetEvent =
  | { readonly type: "wave-started"; readonly wave: Wave }
  | { readonly type: "target-started"; readonly target: string }
  | { readonly type: "target-ended"; readonly outcome: Outcome; readonly durationMs: number }
  /** `untouched`: how many targets of the wave were not started, because too many failed or the command was cancelled. */
  | { readonly type: "wave-ended"; readonly wave: Wave; readonly failed: number; readonly untouched: number };

export interface FleetLimits {
  /** Targets at once. */
  readonly concurrency: number;
  /** Targets at once on one server. */
  readonly perServer: number;
  /** When it is aborted, no target is started any more. */
  readonly signal?: AbortSignal | undefined;
  readonly observe?: ((event: FleetEvent) => void) | undefined;
}

/** Does the work for one target; what it throws is a defect. */
export type TargetWork = (target: FleetTarget) => Promise<Outcome>;

/**
 * Works on the targets of each wave, so many at once. When more targets of a wave have failed than it tolerates, nothing is
 * started any more; what runs is waited for.
 * @returns one outcome for each target, wave by wave
 */
export async function runWaves(
  waves: readonly Wave[],
  work: TargetWork,
  limits: FleetLimits,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let stopped = false;
  for (const wave of waves) {
    const targets = wave.groups.flatMap((group) => group.targets);
    const ended: ReadonlyMap<string, Outcome> = stopped
      ? new Map()
      : await runWave(wave, targets, work, limits);
    outcomes.push(...targets.map(({ name }) => ended.get(name) ?? untouchedOutcome(name)));
    stopped ||= failures(ended) > wave.tolerated || ended.size < targets.length;
  }
  return outcomes;
}

async function runWave(
  wave: Wave,
  targets: readonly FleetTarget[],
  work: TargetWork,
  limits: FleetLimits,
): Promise<ReadonlyMap<string, Outcome>> {
  const { concurrency, perServer, signal, observe = () => {} } = limits;
  const waiting = [...targets];
  const running = new Map<FleetTarget, Promise<void>>();
  const ended = new Map<string, Outcome>();
  observe({ type: "wave-started", wave });
  const run = async (target: FleetTarget): Promise<void> => {
    observe({ type: "target-started", target: target.name });
    const startedAt = performance.now();
    const outcome = await work(target);
    ended.set(target.name, outcome);
    observe({ type: "target-ended", outcome, durationMs: performance.now() - startedAt });
    running.delete(target);
  };
  const takeNext = (): FleetTarget | undefined => {
    if (running.size >= concurrency || signal?.aborted || failures(ended) > wave.tolerated) return undefined;
    const busy = (server: string) => [...running.keys()].filter((one) => serverOf(one) === server).length;
    const at = waiting.findIndex((target) => busy(serverOf(target)) < perServer);
    return at < 0 ? undefined : waiting.splice(at, 1)[0];
  };
  for (;;) {
    for (let next = takeNext(); next !== undefined; next = takeNext()) running.set(next, run(next));
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  observe({ type: "wave-ended", wave, failed: failures(ended), untouched: targets.length - ended.size });
  return ended;
}

function failures(ended: ReadonlyMap<string, Outcome>): number {
  return [...ended.values()].filter(({ outcome }) => outcome === "failed").length;
}

/** What the engines of a fleet have in common. */
export interface FleetSetup {
  readonly source: MigrationFolder;
  readonly provenance: Provenance;
  readonly options: MigratorOptions;
  readonly connectionTo: (target: FleetTarget) => ConnectionSettings;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the engine of each target. All have the same state of the folder, which is read and compiled once: a file that is
 * edited meanwhile must not reach one half of a fleet.
 */
export function createMigrators(setup: FleetSetup): (target: FleetTarget) => Migrator {
  const { options, connectionTo, signal } = setup;
  const source = readOnce(setup.source);
  const provenance = withRevisionOnce(setup.provenance);
  return (target) =>
    new Migrator({
      connection: connectionTo(target),
      source,
      provenance,
      options: targetOptions(options, target),
      // Each run listens to it; one signal with the listeners of all would look like a leak to Node.
      ...(signal === undefined ? {} : { signal: AbortSignal.any([signal]) }),
    });
}

function readOnce(source: MigrationFolder): MigrationFolder {
  const loaded = new Map<string, Promise<ReadonlyMap<string, LoadedMigration>>>();
  const digests = new Map<string, Promise<ReadonlyMap<string, string>>>();
  return {
    ...source,
    load: (names, run) => kept(loaded, names, () => source.load(names, run)),
    digests: (names) => kept(digests, names, () => source.digests(names)),
    shorthandNames: once(() => source.shorthandNames()),
    baselineHeaders: once(() => source.baselineHeaders()),
    contracts: once(() => source.contracts()),
  };
}

function kept<T>(values: Map<string, T>, names: readonly string[], make: () => T): T {
  const key = JSON.stringify(names);
  const value = values.get(key) ?? make();
  values.set(key, value);
  return value;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Reading it starts git. */
function withRevisionOnce(provenance: Provenance): Provenance {
  const { actor, origin, tool } = provenance;
  const revision = once(() => provenance.revision);
  return {
    actor,
    origin,
    tool,
    get revision() {
      return revision();
    },
  };
}

/** Applies what is pending in a target. */
export async function upTarget(migrator: Migrator, { name }: FleetTarget): Promise<Outcome> {
  try {
    const { head, completed, pending, waiting } = await migrator.up();
    return {
      target: name,
      outcome: "done",
      head,
      completed: completed.length,
      pending: pending.length - waiting.length,
    };
  } catch (error) {
    return failedOutcome(name, error, await stateAfter(migrator, error));
  }
}

/** The state in which a failure has left its target, where that can be asked. */
async function stateAfter(migrator: Migrator, error: unknown): Promise<KnownState> {
  if (!(error instanceof MigrationError) || error.code === "CANCELLED") return {};
  const { phase } = ERRORS[error.code];
  if (phase !== "checks" && phase !== "run") return {};
  return migrator.status().then(
    ({ head, counts, waiting }) => ({ head, pending: counts.pending - waiting.length }),
    () => ({}),
  );
}

/** Reads the state of a target. Its outcome has the reason why `up` would refuse, if it would. */
export async function statusTarget(migrator: Migrator, { name }: FleetTarget): Promise<Outcome> {
  try {
    const { head, counts, waiting, refusals } = await migrator.status();
    const [refusal] = refusals;
    return {
      target: name,
      outcome: "done",
      head,
      completed: 0,
      pending: counts.pending - waiting.length,
      ...(refusal === undefined ? {} : { code: refusal.code, message: refusal.message }),
    };
  } catch (error) {
    return failedOutcome(name, error);
  }
}

export interface PlannedTarget {
  readonly outcome: Outcome;
  /** Passwords are masked. Absent when it cannot be planned. */
  readonly plan?: PlanReport;
}

/** Plans the `up` of a target. */
export async function planTarget(migrator: Migrator, { name }: FleetTarget): Promise<PlannedTarget> {
  try {
    const plan = maskedPlan(await migrator.planUp());
    const [refusal] = plan.refusals;
    const outcome: Outcome = {
      target: name,
      outcome: "done",
      head: plan.head,
      completed: 0,
      pending: plan.steps.length,
      ...(refusal === undefined ? {} : { code: refusal.code, message: refusal.message }),
    };
    return { outcome, plan };
  } catch (error) {
    return { outcome: failedOutcome(name, error) };
  }
}
