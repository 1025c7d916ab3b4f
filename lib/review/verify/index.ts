/** Verify: tries on a scratch database whether every migration can be undone. */
export type { VerifiedMigration, VerifyError, VerifyReport, VerifyStep } from "./check.ts";
export {
  SCRATCH_PREFIX,
  type ScratchDatabase,
  type ScratchProvider,
  scratchOn,
  shadowAt,
} from "./scratch.ts";
export { type VerifySetup, verifyMigrations } from "./verify.ts";
