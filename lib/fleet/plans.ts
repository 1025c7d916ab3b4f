import type { PlanReport } from "../core/index.ts";

/** Targets for which a run would do the same. */
export interface PlanGroup {
  /** Names of the targets. */
  readonly targets: readonly string[];
  /** The plan of the first of them. The others differ in their schema, and may differ in what is applied already. */
  readonly plan: PlanReport;
}

/** Groups plans by the SQL that would run, what waits, and what would be refused; the largest group comes first. */
export function groupPlans(
  plans: readonly { readonly target: string; readonly plan: PlanReport }[],
): readonly PlanGroup[] {
  const groups = new Map<string, { plan: PlanReport; targets: string[] }>();
  for (const { target, plan } of plans) {
    const key = keyOf(plan);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { plan, targets: [target] });
    else group.targets.push(target);
  }
  return [...groups.values()].toSorted((a, b) => b.targets.length - a.targets.length);
}

function keyOf({ steps, waiting, refusals }: PlanReport): string {
  return JSON.stringify([
    steps.map(({ migration, direction, sql, transactional, source, note }) => [
      ...[migration, direction, sql, transactional, source, note],
    ]),
    waiting.map(({ migration }) => migration),
    refusals.map(({ code, message }) => [code, message]),
  ]);
}
