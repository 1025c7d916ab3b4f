/** The commands on a database that the CLI and the functions share: their names, their input, and what they do. */

export {
  type Access,
  COMMAND_NAMES,
  COMMANDS,
  type CommandName,
  isCommandName,
  requireContractOfNote,
} from "./commands.ts";
export type { Field } from "./fields.ts";
export type { Pinned } from "./pinning.ts";
export { APPROVED_PLAN, type PlanFile, type PlannedDatabase, readPlan, writePlan } from "./plan-file.ts";
