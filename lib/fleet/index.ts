/**
 * A fleet: many schemas or databases with the same migrations. Which targets there are, in which waves they run, and what
 * became of them. Data only: nothing here connects or runs a migration.
 */
export {
  type FleetSummary,
  failedOutcome,
  type KnownState,
  OUTCOME,
  type Outcome,
  summarize,
  untouchedOutcome,
  type VersionCount,
  warningsOf,
} from "./outcome.ts";
export { groupPlans, type PlanGroup } from "./plans.ts";
export {
  FLEET_TARGET,
  type FleetDatabase,
  type FleetTarget,
  groupBy,
  parseTargetRows,
  parseTargets,
  parseTargetsFile,
  serverOf,
  type TargetEntry,
  type TargetsOrigin,
  targetOptions,
} from "./target.ts";
export {
  type Canary,
  chooseTargets,
  planWaves,
  readCanary,
  type Wave,
  type WaveGroup,
  type WaveOptions,
} from "./waves.ts";
