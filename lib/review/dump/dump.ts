import type pg from "pg";
import {
  type Address,
  type Catalog,
  type CatalogObject,
  type CatalogOptions,
  compare,
  type Entry,
  inSnapshot,
  readEntries,
  statementsOf,
} from "../catalog/index.ts";
import { type Dependencies, isDumpable, order, readDependencies, type Step } from "./order.ts";

/** The schema of a database as SQL that creates it. */
export interface SchemaDump {
  /** The same text for the same schema on every server. */
  readonly sql: string;
  /** Kind and name of each object that cannot be written as SQL. The SQL lists them too. */
  readonly omitted: readonly string[];
}

/** In the first line of every dump, as a comment. Only a file with this line is overwritten. */
export const DUMP_MARK =
  "The schema as the migrations make it. Written by the command `dump` of cdk-pg-migrate; not edited by hand.";

/** Function bodies may refer to objects that are created later. All names are qualified, so no search path is needed. */
const HEADER = `-- ${DUMP_MARK}

SET check_function_bodies = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', false);`;

/** Writes the schema without data, roles and other objects of the server. The client must not be in a transaction. */
export async function dumpSchema(client: pg.Client, options: CatalogOptions): Promise<SchemaDump> {
  return inSnapshot(client, async () => {
    const entries = (await readEntries(client, options)).filter((entry) => statementsOf(entry).length > 0);
    return write(entries, await readDependencies(client, entries), options);
  });
}

/** A schema as the SQL before and after the rows of its tables: constraints and triggers come after them. */
export interface SchemaParts {
  readonly beforeRows: readonly string[];
  readonly afterRows: readonly string[];
  /** Kind and name of each object that cannot be written as SQL. */
  readonly omitted: readonly string[];
}

/**
 * Writes the schema in two parts, for a file that has rows too.
 * @param existing objects that are there before, and are left out unless they have changed
 */
export async function dumpAroundRows(
  client: pg.Client,
  options: CatalogOptions,
  existing: Catalog,
): Promise<SchemaParts> {
  return inSnapshot(client, async () => {
    const entries = (await readEntries(client, options)).filter((entry) => statementsOf(entry).length > 0);
    const dependencies = await readDependencies(client, entries);
    const omitted = findOmitted(entries, dependencies);
    const known = new Set(existing.objects.map(textOf));
    const steps = order(
      entries.filter((entry) => !omitted.has(entry.address) && !known.has(textOf(asObject(entry)))),
      dependencies,
    );
    const rows = steps.findLastIndex(({ entry }) => entry.kind === "table") + 1;
    return {
      beforeRows: steps.slice(0, rows).map(firstStatements).map(ifNotExists),
      afterRows: [
        ...steps.slice(rows).map(firstStatements).map(ifNotExists),
        ...steps.flatMap(lateStatements),
      ],
      omitted: namesOf(entries.filter(({ address }) => omitted.has(address))),
    };
  });
}

function asObject(entry: Entry): CatalogObject {
  const { kind, name } = entry;
  return { kind, name, definition: statementsOf(entry).flatMap((statement) => statement.split("\n")) };
}

function textOf({ kind, name, definition }: CatalogObject): string {
  return [kind, name, ...definition].join("\n");
}

/** The schemas of the settings may have been made before the first migration runs. */
function ifNotExists(block: string): string {
  return block.replace(/^CREATE SCHEMA (?!IF NOT EXISTS)/, "CREATE SCHEMA IF NOT EXISTS ");
}

function namesOf(entries: readonly Entry[]): readonly string[] {
  return entries.map(({ kind, name }) => `${kind} ${name}`).sort(compare);
}

function write(entries: readonly Entry[], dependencies: Dependencies, options: CatalogOptions): SchemaDump {
  const omittedAddresses = findOmitted(entries, dependencies);
  const steps = order(
    entries.filter(({ address }) => !omittedAddresses.has(address)),
    dependencies,
  );
  const omitted = namesOf(entries.filter(({ address }) => omittedAddresses.has(address)));
  const blocks = [
    HEADER,
    ...dropOfPublic(entries, options),
    ...steps.map(firstStatements),
    ...steps.flatMap(lateStatements),
    ...footer(omitted),
  ];
  return { sql: `${blocks.filter((block) => block !== "").join("\n\n")}\n`, omitted };
}

/** Objects that cannot be written as SQL, and objects that depend on them. */
function findOmitted(entries: readonly Entry[], dependencies: Dependencies): ReadonlySet<Address> {
  const omitted = new Set(entries.filter((entry) => !isDumpable(entry)).map(({ address }) => address));
  for (let before = -1; before !== omitted.size; ) {
    before = omitted.size;
    for (const { address } of entries) {
      if ([...dependencies.needsOf(address)].some((need) => omitted.has(need))) omitted.add(address);
    }
  }
  return omitted;
}

/** Drops the schema public, which every new database has, if this database lacks it. */
function dropOfPublic(entries: readonly Entry[], { schemas }: CatalogOptions): string[] {
  const exists = entries.some(({ kind, name }) => kind === "schema" && name === "public");
  return exists || schemas !== undefined ? [] : ["DROP SCHEMA IF EXISTS public;"];
}

function firstStatements({ entry, defaultsApart }: Step): string {
  const { create, separable, attributes } = entry;
  const statements = defaultsApart && separable !== undefined ? separable.createWithoutDefaults : create;
  return [...statements, ...attributes].join("\n");
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
