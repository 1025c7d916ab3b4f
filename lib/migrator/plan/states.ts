import { compareMigrations, inRunningOrder, type MigrationState } from "../../core/index.ts";

export interface Classified {
  readonly name: string;
  readonly state: MigrationState;
}

/** What is known when states are decided: names only, no files. */
export interface Known {
  /** Migrations at hand: file names in any order, with the names they are recorded under. */
  readonly entries: readonly { readonly name: string; readonly fileName: string }[];
  /** Names in the table of applied migrations, in the order they were applied. */
  readonly applied: readonly string[];
  readonly changed: ReadonlySet<string>;
  readonly partial: ReadonlySet<string>;
}

/** Every migration of either side with its state, in running order. */
export function classify(known: Known): Classified[] {
  const applied = new Set(known.applied);
  const entries = inRunningOrder(known.entries, ({ fileName }) => fileName);
  const sortKey = new Map(entries.map((entry) => [entry.name, entry.fileName]));
  const newest = entries.at(-1)?.fileName;
  const stateOf = (name: string): MigrationState => {
    if (known.partial.has(name)) return "partial";
    if (!applied.has(name)) return "pending";
    if (sortKey.has(name)) return known.changed.has(name) ? "changed" : "applied";
    return newest !== undefined && compareMigrations(name, newest) < 0 ? "missing" : "ahead";
  };
  const names = [...new Set([...sortKey.keys(), ...known.applied, ...known.partial])];
  return inRunningOrder(names, (name) => sortKey.get(name) ?? name).map((name) => ({
    name,
    state: stateOf(name),
  }));
}

/** Pending migrations that an applied one has already overtaken, each with the newest applied name. */
export function outOfOrder(classified: readonly Classified[]): string[] {
  const newestApplied = classified.findLastIndex(({ state }) => state !== "pending" && state !== "partial");
  return classified
    .slice(0, Math.max(newestApplied, 0))
    .flatMap((m) => (m.state === "pending" ? [m.name] : []));
}
