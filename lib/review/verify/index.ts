/** Verify: tries on a scratch database whether every migration can be undone. */
export type { VerifiedMigration, VerifyError, VerifyReport, VerifyStep } from "./check.ts";
export { type Replay, type ReplayedMigration, type ReplayFailure, replayMigrations } from "./replay.ts";
export {
  SCRATCH_PREFIX,
  type ScratchDatabase,
  type ScratchProvider,
  scratchOn,
  shadowAt,
} from "./scratch.ts";
export { TrialDatabase, type TrialSetup } from "./trial-database.ts";
export { type VerifySetup, verifyMigrations } from "./verify.ts";
