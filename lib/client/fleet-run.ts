import {
  ERRORS,
  type Finding,
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
  groupPlans,
  type KnownState,
  type Outcome,
  type PlanGroup,
  targetOptions,
  type Wave,
  warningsOf,
} from "../fleet/index.ts";
import type { MigrationFolder } from "../folder/index.ts";
import type { ConnectionSettings } from "../postgres/index.ts";
import { type FleetLimits, runWaves, type TargetWork } from "./run-waves.ts";

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

/** A command on a fleet. */
export interface FleetRun {
  readonly waves: readonly Wave[];
  readonly migratorOf: (target: FleetTarget) => Migrator;
  readonly limits: FleetLimits;
}

/** Applies what is pending in each target. */
export function upTargets({ waves, migratorOf, limits }: FleetRun): Promise<readonly Outcome[]> {
  const up: TargetWork = async (target) => {
    const migrator = migratorOf(target);
    try {
      const { head, completed, pending, waiting, warnings } = await migrator.up();
      return {
        target: target.name,
        outcome: "done",
        head,
        completed: completed.length,
        pending: pending.length - waiting.length,
        ...warningsOf(warnings),
      };
    } catch (error) {
      return failedOutcome(target.name, error, await stateAfter(migrator, error));
    }
  };
  return runWaves(waves, up, limits);
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

/** Reads the state of each target. Its outcome has the reason why `up` would refuse, if it would. */
export function statusTargets({ waves, migratorOf, limits }: FleetRun): Promise<readonly Outcome[]> {
  const status: TargetWork = async (target) => {
    try {
      const { counts, waiting, ...report } = await migratorOf(target).status();
      return read(target, { ...report, pending: counts.pending - waiting.length });
    } catch (error) {
      return failedOutcome(target.name, error);
    }
  };
  return runWaves(waves, status, limits);
}

/** Plans the `up` of each target, and groups those for which it is the same. Passwords in the plans are masked. */
export async function planTargets({ waves, migratorOf, limits }: FleetRun): Promise<PlannedFleet> {
  const plans = new Map<string, PlanReport>();
  const plan: TargetWork = async (target) => {
    try {
      const report = maskedPlan(await migratorOf(target).planUp());
      plans.set(target.name, report);
      return read(target, { ...report, pending: report.steps.length });
    } catch (error) {
      return failedOutcome(target.name, error);
    }
  };
  const outcomes = await runWaves(waves, plan, limits);
  // In the order of the targets, not in that in which they were planned.
  const inOrder = outcomes.flatMap(({ target }) => {
    const report = plans.get(target);
    return report === undefined ? [] : [{ target, plan: report }];
  });
  return { outcomes, groups: groupPlans(inOrder) };
}

export interface PlannedFleet {
  readonly outcomes: readonly Outcome[];
  readonly groups: readonly PlanGroup[];
}

interface ReadState {
  readonly head: string | null;
  readonly pending: number;
  readonly refusals: readonly Finding[];
  readonly warnings: readonly Finding[];
}

function read({ name }: FleetTarget, { head, pending, refusals, warnings }: ReadState): Outcome {
  const [refusal] = refusals;
  const why = refusal === undefined ? {} : { code: refusal.code, message: refusal.message };
  return { target: name, outcome: "done", head, completed: 0, pending, ...why, ...warningsOf(warnings) };
}
