import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import {
  baselineHeader,
  compareMigrations,
  inRunningOrder,
  type Migration,
  MigrationError,
  type MigrationSource,
  parseBaselineHeader,
  type ReplacedMigration,
} from "../../core/index.ts";
import { withoutContracts } from "../../engine/index.ts";
import { type Catalog, diffCatalogs, readAppliedDigests } from "../catalog/index.ts";
import { dumpAroundRows, type SchemaParts } from "../dump/index.ts";
import { TrialDatabase, type TrialSetup } from "../verify/index.ts";
import { type Contents, diffContents, readContents, requireReproducible, statementsFor } from "./rows.ts";

export interface SquashRequest extends TrialSetup {
  /** The newest migration to replace. */
  readonly to: string;
}

/** A baseline that was proved to do what the migrations do that it replaces. */
export interface Squash {
  /** Name of the baseline. */
  readonly name: string;
  readonly fileName: string;
  readonly sql: string;
  readonly replaced: readonly Migration[];
  /** Tables whose rows are in the baseline. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** Why the later migrations were not run after the baseline. */
  readonly unproved?: string;
}

/**
 * Makes a baseline of all migrations up to one, and proves it: the migrations run twice on scratch databases, which shows
 * what differs from run to run; then the baseline runs alone on another one, and schema, rows and sequences are compared.
 * The later migrations run on both, and the schemas are compared again. Writes no file.
 * @throws MigrationError when the baseline would not do the same
 */
export async function squashMigrations(request: SquashRequest): Promise<Squash> {
  const folder = divide(request.source, request.to);
  const setup = { ...request, scratch: { ...request.scratch, fenced: true } };
  const full = await replay(setup, folder);
  // A time that is cut to seconds must differ too.
  const left = full.appliedAt + A_SECOND - performance.now();
  await sleep(Math.max(0, left), undefined, { signal: request.signal });
  const again = await onTrial(setup, async (trial) => {
    await replayTo(trial, folder.to);
    return { digests: await trial.read(readAppliedDigests), contents: await trial.read(readContents) };
  });
  const contents = requireReproducible(full.contents, again.contents);
  const replaces = await describeReplaced(request.source, folder.replaced, (name) => {
    const digest = full.digests.get(name);
    return digest === again.digests.get(name) ? digest : undefined;
  });
  const sql = writeBaseline(folder.to, replaces, full.parts, contents);
  await prove({ ...setup, source: squashedSource(request.source, folder, sql) }, folder, {
    ...full,
    contents,
  });
  const tables = contents.tables.map(({ table, rows }) => ({ table, rows: rows.length }));
  const { replaced, name, fileName } = folder;
  const unproved = full.unproved === undefined ? {} : { unproved: full.unproved };
  return { name, fileName, sql, replaced, tables, ...unproved };
}

const A_SECOND = 1_100;

/** A folder divided at the last migration to replace. */
interface Division {
  readonly to: string;
  readonly name: string;
  readonly fileName: string;
  readonly replaced: readonly Migration[];
  readonly rest: readonly Migration[];
}

/** @throws MigrationError `USAGE` when there is nothing to replace, or no place for the baseline */
function divide({ entries }: MigrationSource, to: string): Division {
  const order = inRunningOrder(entries, ({ fileName }) => fileName);
  const end = order.findIndex((one) => one.name === to);
  if (end < 0) throw unknownName(to, order);
  if (end === 0)
    throw new MigrationError("USAGE", `${to} is the first migration: there is nothing to squash`, {
      hint: "Name a later one with --to: it and all before it become one baseline.",
    });
  const [replaced, rest] = [order.slice(0, end + 1), order.slice(end + 1)];
  const name = `${to}-baseline`;
  const fileName = `${name}.sql`;
  const [next] = rest;
  const isAfter =
    compareMigrations(fileName, order[end]?.fileName ?? "") > 0 || compareMigrations(name, to) > 0;
  const isBefore = next === undefined || compareMigrations(fileName, next.fileName) < 0;
  if (isAfter && isBefore && name.length <= LONGEST_NAME) return { to, name, fileName, replaced, rest };
  throw new MigrationError("USAGE", `the baseline would be called ${name}, which has no place behind ${to}`, {
    hint: `Squash up to another migration${next === undefined ? "" : `, for example ${next.name}`}.`,
  });
}

/** In bytes. File systems allow 255, `.sql` included. */
const LONGEST_NAME = 240;

function unknownName(to: string, order: readonly Migration[]): MigrationError {
  const near = order.filter(({ name }) => name.includes(to)).map(({ name }) => name);
  return new MigrationError("USAGE", `there is no migration named "${to}" to squash up to`, {
    hint:
      near.length > 0
        ? `Did you mean ${near.slice(0, 3).join(" or ")}?`
        : "The name is that of its file, without the extension.",
  });
}

/** What the migrations make. */
interface Replay {
  /** When the migrations had run, as `performance.now()`. */
  readonly appliedAt: number;
  readonly schema: Catalog;
  readonly contents: Contents;
  readonly parts: SchemaParts;
  readonly digests: ReadonlyMap<string, string>;
  /** The schema after the later migrations; undefined if they did not run. */
  readonly end: Catalog | undefined;
  readonly unproved: string | undefined;
}

function replay(setup: TrialSetup, { to, rest }: Division): Promise<Replay> {
  return onTrial(setup, async (trial) => {
    const before = await trial.snapshot();
    await replayTo(trial, to);
    const appliedAt = performance.now();
    const schema = await trial.snapshot();
    const contents = await trial.read(readContents);
    const parts = await trial.read((client: pg.Client, options) => dumpAroundRows(client, options, before));
    if (parts.omitted.length > 0) throw notWritable(parts.omitted);
    const digests = await trial.read(readAppliedDigests);
    const unproved = await tryRest(trial, rest);
    const end = unproved === undefined ? await trial.snapshot() : undefined;
    return { appliedAt, schema, contents, parts, digests, end, unproved };
  });
}

async function onTrial<T>(setup: TrialSetup, work: (trial: TrialDatabase) => Promise<T>): Promise<T> {
  const trial = await TrialDatabase.open(setup);
  try {
    return await work(trial);
  } finally {
    await trial.discard();
  }
}

/** @throws MigrationError that says so when a migration changes more than its database */
async function replayTo(trial: TrialDatabase, to: string): Promise<void> {
  try {
    await trial.up(to);
  } catch (error) {
    if (trial.refusal === undefined || !(error instanceof MigrationError)) throw error;
    const { migration = to } = error.details;
    throw new MigrationError("MIGRATION", `${migration} cannot be squashed: ${trial.refusal}`, {
      migration,
      hint: "A baseline holds one database: roles, tablespaces and settings of the server are not in it. Squash up to the migration before it.",
      cause: error,
    });
  }
}

/** Runs the later migrations. Returns why they did not run, if they change more than their database. */
async function tryRest(trial: TrialDatabase, rest: readonly Migration[]): Promise<string | undefined> {
  const last = rest.at(-1);
  if (last === undefined) return undefined;
  try {
    await trial.up(last.name);
    return undefined;
  } catch (error) {
    if (trial.refusal === undefined || !(error instanceof MigrationError)) throw error;
    return `${error.details.migration ?? last.name}: ${trial.refusal}`;
  }
}

function notWritable(omitted: readonly string[]): MigrationError {
  return new MigrationError(
    "MIGRATION",
    `the migrations make objects that cannot be written as SQL for every machine: ${omitted.join(", ")}`,
    { hint: "Squash up to the migration before the one that makes them." },
  );
}

async function describeReplaced(
  source: MigrationSource,
  replaced: readonly Migration[],
  digestOf: (name: string) => string | undefined,
): Promise<readonly ReplacedMigration[]> {
  const headers = await source.baselineHeaders?.();
  return replaced.map(({ name }) => ({
    name,
    sqlDigest: digestOf(name),
    replaces: parseBaselineHeader(name, headers?.get(name) ?? []),
  }));
}

/** All names are qualified, so no search path is needed. Functions may refer to objects that are made after them. */
const SETTINGS = `SET LOCAL check_function_bodies = off;
SET LOCAL client_min_messages = warning;
SELECT pg_catalog.set_config('search_path', '', true);`;

function writeBaseline(
  to: string,
  replaces: readonly ReplacedMigration[],
  { beforeRows, afterRows }: SchemaParts,
  contents: Contents,
): string {
  const header = [
    `-- The schema and the rows as the migrations up to ${to} make them. Written by the command \`squash\` of`,
    "-- cdk-pg-migrate; not edited by hand. A database that has what it replaces records it and runs nothing.",
    ...baselineHeader(replaces),
    `-- irreversible: it stands for ${replaces.length} migrations`,
  ];
  const blocks = [header.join("\n"), SETTINGS, ...beforeRows, ...statementsFor(contents), ...afterRows];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

/** The folder as it will be. */
function squashedSource(
  source: MigrationSource,
  { name, fileName, rest }: Division,
  sql: string,
): MigrationSource {
  const own = { name, fileName, files: [fileName], kind: "sql" } as const;
  const others = (names: readonly string[]) => names.filter((one) => one !== name);
  const isKept = new Set(rest.map((one) => one.name));
  return {
    ...withoutContracts(source),
    entries: [own, ...rest],
    digests: async (names) => new Map([...(await source.digests(others(names))), [name, name]]),
    shorthandNames: async () => (await source.shorthandNames()).filter((one) => isKept.has(one)),
    baselineHeaders: async () => new Map(),
    load: async (names, run) => {
      const loaded = new Map(await source.load(others(names), run));
      if (names.includes(name)) loaded.set(name, { kind: "sql", file: { path: fileName, text: sql } });
      return loaded;
    },
  };
}

/** @throws MigrationError `MIGRATION` with the differences */
async function prove(setup: TrialSetup, { name, rest }: Division, full: Replay): Promise<void> {
  await onTrial(setup, async (trial) => {
    await trial.up(name);
    const [schema, contents] = [await trial.snapshot(), await trial.read(readContents)];
    requireSame(name, [diffCatalogs(full.schema, schema), diffContents(full.contents, contents)]);
    const last = rest.at(-1);
    if (last === undefined || full.end === undefined) return;
    await trial.up(last.name);
    requireSame(`${name} and the migrations after it`, [diffCatalogs(full.end, await trial.snapshot())]);
  });
}

function requireSame(what: string, diffs: readonly string[]): void {
  const diff = diffs.filter((one) => one !== "").join("\n");
  if (diff === "") return;
  throw new MigrationError("MIGRATION", `${what} would not make what the migrations make:\n${diff}`, {
    hint: "Nothing was written. Squash up to an earlier migration, and report what the differences are.",
  });
}
