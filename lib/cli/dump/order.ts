import { type Address, compare, type Entry } from "../catalog/index.ts";
import type { Dependencies } from "./dependencies.ts";

/** Kinds in the order in which they are written, unless one needs another. What is not listed cannot be dumped. */
const KINDS = [
  "schema",
  "extension",
  "collation",
  "enum",
  "composite type",
  "domain",
  "range type",
  "domain constraint",
  "function",
  "procedure",
  "aggregate",
  "operator",
  "cast",
  "text search dictionary",
  "text search configuration",
  "sequence",
  "table",
  "view",
  "materialized view",
  "constraint",
  "index",
  "foreign key",
  "statistics",
  "rule",
  "trigger",
  "policy",
  "publication",
  // They would take part in what is still to be made.
  "event trigger",
  "default privileges",
] as const;

const RANKS: ReadonlyMap<string, number> = new Map(KINDS.map((kind, rank) => [kind, rank]));

export function isDumpable({ kind }: Entry): boolean {
  return RANKS.has(kind);
}

export interface Step {
  readonly entry: Entry;
  /** The table's defaults come later: one of them needs the table. */
  readonly defaultsApart: boolean;
}

/** Each entry after those it needs, else by kind and name: the same whatever the database's numbering is. */
export function order(entries: readonly Entry[], dependencies: Dependencies): Step[] {
  const sorted = [...entries].sort(
    (a, b) => rankOf(a) - rankOf(b) || compare(sortName(a), sortName(b)) || compare(a.name, b.name),
  );
  const position = new Map(sorted.map(({ address }, index) => [address, index]));
  const byAddress = new Map(sorted.map((entry) => [entry.address, entry]));
  const apart = findApart(sorted, dependencies);
  const needs = (entry: Entry): Entry[] =>
    [...needsWithout(entry, apart, dependencies)]
      .sort((a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0))
      .flatMap((address) => byAddress.get(address) ?? []);
  const done = new Set<Address>();
  const steps: Step[] = [];
  const visit = (entry: Entry): void => {
    if (done.has(entry.address)) return;
    done.add(entry.address);
    for (const need of needs(entry)) visit(need);
    steps.push({ entry, defaultsApart: apart.has(entry.address) });
  };
  for (const entry of sorted) visit(entry);
  return steps;
}

/** Tables with a default that cannot exist without the table. */
function findApart(entries: readonly Entry[], dependencies: Dependencies): ReadonlySet<Address> {
  return new Set(
    entries
      .filter(({ address, separable }) =>
        separable?.defaults.some((one) =>
          [...dependencies.needsOfDefault(one.address)].some((need) => reaches(need, address, dependencies)),
        ),
      )
      .map(({ address }) => address),
  );
}

function reaches(from: Address, target: Address, dependencies: Dependencies): boolean {
  const seen = new Set<Address>();
  const waiting = [from];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (at === target) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    waiting.push(...dependencies.needsOf(at));
  }
  return false;
}

function needsWithout(
  { address, separable }: Entry,
  apart: ReadonlySet<Address>,
  dependencies: Dependencies,
): ReadonlySet<Address> {
  const all = dependencies.needsOf(address);
  if (!apart.has(address) || separable === undefined) return all;
  const ofDefaults = new Set(
    separable.defaults.flatMap((one) => [...dependencies.needsOfDefault(one.address)]),
  );
  return new Set([...all].filter((need) => !ofDefaults.has(need)));
}

function rankOf({ kind }: Entry): number {
  return RANKS.get(kind) ?? KINDS.length;
}

/** What is on a table is kept together with what else is on it. */
function sortName({ name }: Entry): string {
  return name.split(" on ").reverse().join(" ");
}
