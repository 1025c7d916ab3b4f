/** A table or materialized view of the database, with its partitions. */
export interface TableSize {
  readonly schema: string;
  readonly name: string;
  /** As the statistics estimate it; null if they do not. */
  readonly rows: number | null;
  /** With its TOAST table, without its indexes. */
  readonly bytes: number;
}

/** Up to this size, a table is read, written or built again within tens of milliseconds. */
export const SMALL_TABLE_BYTES = 10 * 1024 * 1024;

/** `about 41 M rows, 18 GB`, or `no rows`. */
export function describeSize({ rows, bytes }: Pick<TableSize, "rows" | "bytes">): string {
  if (bytes === 0) return "no rows";
  const count = rows === null ? "an unknown number of rows" : `about ${shortCount(rows)} rows`;
  return `${count}, ${shortBytes(bytes)}`;
}

/** 1234567 as `1.2 M`. */
export function shortCount(number: number): string {
  return scaled(number, 1_000, ["", " k", " M", " G"]);
}

/** Bytes as `18 GB`. */
export function shortBytes(bytes: number): string {
  return scaled(bytes, 1_024, [" B", " kB", " MB", " GB", " TB"]);
}

function scaled(number: number, base: number, units: readonly string[]): string {
  const power = Math.min(units.length - 1, number < base ? 0 : Math.floor(Math.log(number) / Math.log(base)));
  const value = number / base ** power;
  const digits = power > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}${units[power]}`;
}
