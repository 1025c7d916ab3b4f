import { type FleetTarget, type Outcome, serverOf, untouchedOutcome, type Wave } from "../fleet/index.ts";

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
