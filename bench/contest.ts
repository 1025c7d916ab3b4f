import type { Cost } from "./rows.ts";

/** What became of one contender: the costs of its runs, or why there are none. */
export interface Outcome {
  readonly costs: readonly Cost[];
  readonly failure?: string;
}

/**
 * Lets contenders do the same work by turns, each round beginning with another one, so that whatever else the machine
 * does meets all of them. Who fails is out.
 */
export async function takeTurns<Contender>(
  contenders: readonly Contender[],
  rounds: number,
  once: (contender: Contender, round: number) => Promise<Cost>,
): Promise<ReadonlyMap<Contender, Outcome>> {
  const costs = new Map<Contender, Cost[]>(contenders.map((one) => [one, []]));
  const failures = new Map<Contender, string>();
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of rotate(contenders, round)) {
      if (failures.has(contender)) continue;
      try {
        costs.get(contender)?.push(await once(contender, round));
      } catch (error) {
        failures.set(contender, error instanceof Error ? error.message : String(error));
      }
    }
  }
  return new Map(contenders.map((one) => [one, outcomeOf(costs.get(one) ?? [], failures.get(one))]));
}

function outcomeOf(costs: readonly Cost[], failure: string | undefined): Outcome {
  return failure === undefined ? { costs } : { costs: [], failure };
}

function rotate<T>(list: readonly T[], by: number): readonly T[] {
  const cut = by % Math.max(1, list.length);
  return [...list.slice(cut), ...list.slice(0, cut)];
}
