/** The two directions of one SQL file. */
export interface Sections {
  readonly up: Section;
  /** Absent when the file has no down section. */
  readonly down?: Section;
}

export interface Section {
  readonly text: string;
  /** UTF-16 offset of `text` in the file: error positions are shown in the file. */
  readonly offset: number;
}

const marker = (direction: string): RegExp => new RegExp(`^\\s*--[\\s-]*${direction}\\s+migration`, "im");
const [UP, DOWN] = [marker("up"), marker("down")];

/**
 * Cuts a SQL file at its `-- Up Migration` and `-- Down Migration` lines, as node-pg-migrate does; either section
 * may come first. Without an up marker, everything outside the down section is the up direction (node-pg-migrate
 * would run the down section as part of it).
 */
export function readSections(file: string): Sections {
  const [up, down] = [file.search(UP), file.search(DOWN)];
  const cut = (start: number, other: number): Section => ({
    text: file.slice(start, other > start ? other : undefined),
    offset: start,
  });
  return {
    up: up < 0 && down === 0 ? { text: "", offset: 0 } : cut(Math.max(up, 0), down),
    ...(down < 0 ? {} : { down: cut(down, up) }),
  };
}

/** As the first line of SQL: run its statements one by one, outside a transaction. */
export const NO_TRANSACTION = "-- migrate: no-transaction";

/** True when the first line is `-- migrate: no-transaction`: statements then run one by one, outside a transaction. */
export function asksForNoTransaction(file: string): boolean {
  const [firstLine = ""] = file.split(/\r?\n/, 1);
  return /^\uFEFF?--\s*migrate:\s*no-transaction\s*$/i.test(firstLine);
}
