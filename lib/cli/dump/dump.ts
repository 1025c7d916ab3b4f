import type pg from "pg";
import {
  type Address,
  type CatalogOptions,
  compare,
  type Entry,
  inSnapshot,
  readEntries,
  statementsOf,
} from "../catalog/index.ts";
import { type Dependencies, readDependencies } from "./dependencies.ts";
import { isDumpable, order, type Step } from "./order.ts";

/** A database's schema as SQL that makes it anew. */
export interface SchemaDump {
  /** The same for the same schema, whenever and wherever it is read. */
  readonly sql: string;
  /** What could not be written, each with its kind and name; the SQL names it too. */
  readonly omitted: readonly string[];
}

/** First line of every file that is written: only such a file is overwritten. */
export const MARK =
  "-- The schema as the migrations make it. Written by the command `dump` of cdk-pg-migrate; not edited by hand.";

/** Function bodies may name what is made after them; all other names are complete, so that no search path is needed. */
const HEADER = `${MARK}

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);`;

/**
 * Writes the schema without data. Roles and other things of the whole server are not part of it. The client must not
 * be in a transaction.
 */
export async function dumpSchema(client: pg.Client, options: CatalogOptions): Promise<SchemaDump> {
  return inSnapshot(client, async () => {
    const entries = (await readEntries(client, options)).filter((entry) => statementsOf(entry).length > 0);
    return write(entries, await readDependencies(client, entries), options);
  });
}

function write(entries: readonly Entry[], dependencies: Dependencies, options: CatalogOptions): SchemaDump {
  const lost = findLost(entries, dependencies);
  const steps = order(
    entries.filter(({ address }) => !lost.has(address)),
    dependencies,
  );
  const omitted = entries
    .filter(({ address }) => lost.has(address))
    .map(({ kind, name }) => `${kind} ${name}`)
    .sort(compare);
  const blocks = [
    HEADER,
    ...publicSchema(entries, options),
    ...steps.map(firstStatements),
    ...steps.flatMap(lateStatements),
    ...footer(omitted),
  ];
  return { sql: `${blocks.filter((block) => block !== "").join("\n\n")}\n`, omitted };
}

/** What cannot be written, and what needs it. */
function findLost(entries: readonly Entry[], dependencies: Dependencies): ReadonlySet<Address> {
  const lost = new Set(entries.filter((entry) => !isDumpable(entry)).map(({ address }) => address));
  for (let before = -1; before !== lost.size; ) {
    before = lost.size;
    for (const { address } of entries) {
      if ([...dependencies.needsOf(address)].some((need) => lost.has(need))) lost.add(address);
    }
  }
  return lost;
}

/** A new database has it. */
function publicSchema(entries: readonly Entry[], { schemas }: CatalogOptions): string[] {
  const isThere = entries.some(({ kind, name }) => kind === "schema" && name === "public");
  return isThere || schemas !== undefined ? [] : ["DROP SCHEMA IF EXISTS public;"];
}

function firstStatements({ entry, defaultsApart }: Step): string {
  const { create, separable, attributes } = entry;
  const made = defaultsApart && separable !== undefined ? separable.createWithoutDefaults : create;
  return [...made, ...attributes].join("\n");
}

function lateStatements({ entry, defaultsApart }: Step): string[] {
  const defaults = defaultsApart ? (entry.separable?.defaults ?? []) : [];
  return [...defaults.map(({ statement }) => statement), ...entry.finish];
}

function footer(omitted: readonly string[]): string[] {
  if (omitted.length === 0) return [];
  const lines = omitted.map((what) => `--   ${what.replace(/\s+/g, " ")}`);
  return [
    ["-- Not in this file, because it cannot be written as SQL for every machine:", ...lines].join("\n"),
  ];
}
