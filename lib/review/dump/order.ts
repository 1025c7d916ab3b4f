import type pg from "pg";
import { type Address, addressOf, compare, type Entry } from "../catalog/index.ts";

/** Dependencies between entries, by their addresses. */
export interface Dependencies {
  /** Addresses of the entries that must exist first. */
  needsOf(address: Address): ReadonlySet<Address>;
  /** The same for a column default, which is part of its table. */
  needsOfDefault(address: Address): ReadonlySet<Address>;
}

interface Row {
  readonly catalog: number;
  readonly oid: number;
  readonly refCatalog: number;
  readonly refOid: number;
  readonly type: string;
}

/** A default belongs to its table; how `pg_depend` records that differs between versions. */
const QUERY = `
  SELECT classid AS catalog, objid AS oid, refclassid AS "refCatalog", refobjid AS "refOid", deptype::text AS type
  FROM pg_depend WHERE objid >= 16384 AND refobjid >= 16384 AND deptype <> 'x'
  UNION ALL SELECT 'pg_attrdef'::regclass, oid, 'pg_class'::regclass, adrelid, 'i' FROM pg_attrdef`;

const NOTHING: ReadonlySet<Address> = new Set();

/** Call it in the snapshot in which the entries were read. */
export async function readDependencies(client: pg.Client, entries: readonly Entry[]): Promise<Dependencies> {
  const { rows } = await client.query<Row>(QUERY);
  const byAddress = new Map(entries.map((entry) => [entry.address, entry]));
  const find = finder(rows, byAddress);
  const needs = new Map<Address, Set<Address>>();
  const ofDefaults = new Map<Address, Set<Address>>();
  for (const row of rows) {
    const source = addressOf(row.catalog, row.oid);
    const [from, to] = [find(source), find(addressOf(row.refCatalog, row.refOid))];
    if (from === undefined || to === undefined || from === to || isOwnership(byAddress.get(from), row))
      continue;
    addTo(needs, from, to);
    if (from !== source) addTo(ofDefaults, source, to);
  }
  return {
    needsOf: (address) => needs.get(address) ?? NOTHING,
    needsOfDefault: (address) => ofDefaults.get(address) ?? NOTHING,
  };
}

/** An owned sequence is created before its table, because the default needs it, and OWNED BY is set later. */
function isOwnership(entry: Entry | undefined, { type }: Row): boolean {
  return entry?.kind === "sequence" && entry.create.length > 0 && type === "a";
}

/** Finds the entry that an object is part of: a row type its table, an index its constraint, a function its extension. */
function finder(
  rows: readonly Row[],
  entries: ReadonlyMap<Address, Entry>,
): (address: Address) => Address | undefined {
  const whole = new Map<Address, Address>();
  for (const { type, catalog, oid, refCatalog, refOid } of rows) {
    if (type === "i" || type === "e") whole.set(addressOf(catalog, oid), addressOf(refCatalog, refOid));
  }
  return (address) => {
    const seen = new Set<Address>();
    let at: Address | undefined = address;
    while (at !== undefined && !entries.has(at) && !seen.has(at)) {
      seen.add(at);
      at = whole.get(at);
    }
    return at !== undefined && entries.has(at) ? at : undefined;
  };
}

function addTo(map: Map<Address, Set<Address>>, from: Address, to: Address): void {
  const set = map.get(from);
  if (set === undefined) map.set(from, new Set([to]));
  else set.add(to);
}

/** Kinds in the order in which they are written, unless dependencies require another. Other kinds cannot be dumped. */
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
  // Created last, because they would affect the statements before them.
  "event trigger",
  "default privileges",
] as const;

const RANKS: ReadonlyMap<string, number> = new Map(KINDS.map((kind, rank) => [kind, rank]));

export function isDumpable({ kind }: Entry): boolean {
  return RANKS.has(kind);
}

export interface Step {
  readonly entry: Entry;
  /** The defaults are set later, because one of them depends on the table. */
  readonly defaultsApart: boolean;
}

/** Sorts entries after those they need, else by kind and name, so that the order does not depend on oids. */
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

/** Tables with a default that depends on the table. */
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

/** Keeps the objects on one table together. */
function sortName({ name }: Entry): string {
  return name.split(" on ").reverse().join(" ");
}
