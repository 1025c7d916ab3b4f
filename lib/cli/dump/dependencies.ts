import type pg from "pg";
import { type Address, addressOf, type Entry } from "../catalog/index.ts";

/** What needs what, by the addresses of entries. */
export interface Dependencies {
  /** Addresses of the entries that must exist first. */
  needsOf(address: Address): ReadonlySet<Address>;
  /** The same for one column default, which its table needs when it is part of it. */
  needsOfDefault(address: Address): ReadonlySet<Address>;
}

interface Row {
  readonly catalog: number;
  readonly oid: number;
  readonly refCatalog: number;
  readonly refOid: number;
  readonly type: string;
}

/** A default belongs to its table; `pg_depend` says so in a way that differs from version to version. */
const QUERY = `
  SELECT classid AS catalog, objid AS oid, refclassid AS "refCatalog", refobjid AS "refOid", deptype::text AS type
  FROM pg_depend WHERE objid >= 16384 AND refobjid >= 16384 AND deptype <> 'x'
  UNION ALL SELECT 'pg_attrdef'::regclass, oid, 'pg_class'::regclass, adrelid, 'i' FROM pg_attrdef`;

const NOTHING: ReadonlySet<Address> = new Set();

/** To be called in the snapshot that the entries were read in. */
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

/** A sequence that belongs to a column is made before the table, whose default needs it, and given to it later. */
function isOwnership(entry: Entry | undefined, { type }: Row): boolean {
  return entry?.kind === "sequence" && entry.create.length > 0 && type === "a";
}

/** Much is part of something else: a row type of its table, an index of its constraint, a function of its extension. */
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
