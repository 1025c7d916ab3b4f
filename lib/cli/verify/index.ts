/** Whether every migration can be undone, tried on a scratch database. */
export { type ChosenScratch, chooseScratch } from "./choose.ts";
export { renderVerify } from "./render.ts";
export type { VerifiedMigration, VerifyError, VerifyReport, VerifyStep } from "./report.ts";
export { SCRATCH_PREFIX, type ScratchDatabase, type ScratchProvider, scratchOn } from "./scratch.ts";
export { shadowAt } from "./shadow.ts";
export { type VerifySetup, verifyMigrations } from "./verify.ts";
