import * as v from "valibot";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Which targets an execution is about, as it is written down at its beginning and read at its end. */
export const EXECUTION_PLAN = v.object({
  fleet: v.string(),
  machine: v.picklist(["status", "operate"]),
  command: v.picklist(["status", "plan", "up", "down"]),
  release: v.string(),
  execution: v.string(),
  waves: v.array(
    v.object({
      name: v.string(),
      /** So many may have failed in a wave that counts as done. */
      tolerated: count,
      /** Names. */
      targets: v.array(v.string()),
    }),
  ),
});
export type ExecutionPlan = v.InferOutput<typeof EXECUTION_PLAN>;

/** @param prefix of the keys of the execution */
export function planKey(prefix: string): string {
  return `${prefix}plan.json`;
}
