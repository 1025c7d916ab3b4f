/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/** Least and greatest; undefined for fewer than two values, which have no spread. */
export function spread(values: readonly number[]): readonly [number, number] | undefined {
  return values.length < 2 ? undefined : [Math.min(...values), Math.max(...values)];
}

/** `ours` against `theirs`: below 1 is less of whatever was measured. */
export function ratio(ours: number | undefined, theirs: number | undefined): number | undefined {
  return ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs;
}
