/** What a contender measured, one value a round; none when it failed once. */
export interface Times {
  readonly ms: readonly number[];
  readonly failure?: string;
}

export interface Contender {
  readonly name: string;
  /** Does the work once. @returns milliseconds */
  run(): Promise<number>;
}

/**
 * Runs the contenders in turns: A B C, B C A, C A B. A change of the machine's load then meets all of them. A contender
 * that fails is left out of the later rounds.
 */
export async function takeTurns(
  contenders: readonly Contender[],
  rounds: number,
): Promise<Map<string, Times>> {
  const times = new Map<string, { ms: number[]; failure?: string }>();
  for (const { name } of contenders) times.set(name, { ms: [] });
  for (let round = 0; round < rounds; round += 1) {
    const first = round % contenders.length;
    for (const { name, run } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const own = times.get(name);
      if (own === undefined || own.failure !== undefined) continue;
      try {
        own.ms.push(await run());
      } catch (error) {
        times.set(name, { ms: [], failure: error instanceof Error ? error.message : String(error) });
      }
    }
  }
  return times;
}

/** The median of the ratios of the rounds: both sides of each were measured within seconds. */
export function ratio(times: ReadonlyMap<string, Times>, ours: string, theirs: string): number | undefined {
  const numerators = times.get(ours)?.ms ?? [];
  const denominators = times.get(theirs)?.ms ?? [];
  return median(
    numerators.flatMap((value, round) => {
      const other = denominators[round];
      return other === undefined ? [] : [value / other];
    }),
  );
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
