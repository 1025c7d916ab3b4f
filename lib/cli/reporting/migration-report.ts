import { resolve } from "node:path";
import {
  type Forecast,
  inRunningOrder,
  MigrationError,
  type MigrationSource,
  type MigrationStatus,
} from "../../core/index.ts";
import { maskedSteps, withoutContracts } from "../../engine/index.ts";
import { type MigrationFolder, openFolder, type ReadFolderOptions } from "../../folder/index.ts";
import { type ConnectionSettings, closeClient } from "../../postgres/index.ts";
import { connectTo, ownTablesOf, readTables, type SchemaTable } from "../../review/catalog/index.ts";
import { dumpSchema } from "../../review/dump/index.ts";
import type { Evidence, LintReport } from "../../review/lint/index.ts";
import {
  compareSchemas,
  drawSchema,
  focusDiagram,
  type MigrationReport,
  type ReportedMigration,
} from "../../review/report/index.ts";
import {
  type Replay,
  replayMigrations,
  type ScratchProvider,
  TrialDatabase,
  type TrialSetup,
} from "../../review/verify/index.ts";
import type { Context } from "../context.ts";
import { type DatabaseFlags, engineOptions, listingOptions } from "../flags.ts";
import { rootOfPlaces } from "../github/workflow.ts";
import type { ProcessIo } from "../process-io.ts";
import { chooseScratch, isOwnDatabase } from "../settings/target.ts";
import type { BaseCommit } from "./base-commit.ts";

/** The report on a database. What is pending runs on a copy of its schema, where a scratch database can be made. */
export async function reportOnDatabase(
  io: ProcessIo,
  flags: DatabaseFlags,
  { migrator, source, target }: Context,
): Promise<MigrationReport> {
  const { head, refusals, warnings, migrations } = await migrator.status();
  const pending = pendingOf(migrations);
  const forecast = await migrator.forecast();
  const plan = await unlessRefused(() => migrator.planUp());
  const { entries: history } = await migrator.history();
  const evidence = isOwnDatabase(target, io) ? "columns" : "sizes";
  const lint = await lintPending(io, flags, source, { forecast, connection: target.connection, evidence });
  const schema = await readSchema(target.connection, flags);
  const entries = source.entries.filter(({ name }) => pending.has(name));
  const running = entries.filter(({ name }) => pending.get(name)?.note === undefined);
  const alone = { ...withoutContracts(source), entries: running };
  const replay = await replayOn(io, flags, { source: alone, schema: schema.sql });
  const { database, host, user } = target.connection;
  return {
    subject: { kind: "database", database, host, user },
    head,
    digest: plan.result?.digest ?? null,
    pending: describePending(pending, { entries, forecast, lint, replay }),
    refusals,
    warnings: plan.result?.warnings ?? warnings,
    notLinted: lint.problem,
    schema: describeSchema(schema.tables, replay),
    history,
  };
}

interface Schema {
  readonly sql: string;
  readonly tables: readonly SchemaTable[];
}

async function readSchema(connection: ConnectionSettings, flags: DatabaseFlags): Promise<Schema> {
  const client = await connectTo(connection);
  const options = { exclude: ownTablesOf(engineOptions(flags)) };
  try {
    return { tables: await readTables(client, options), sql: (await dumpSchema(client, options)).sql };
  } finally {
    await closeClient(client);
  }
}

/** What was found out, or why not. */
export interface Attempt<T> {
  readonly result?: T;
  readonly problem?: string;
}

/** A report without a part says why. What ends every command, such as Ctrl-C, ends this one too. */
export async function unlessRefused<T>(work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { result: await work() };
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code === "CANCELLED") throw error;
    return { problem: reasonOf(error) };
  }
}

function reasonOf({ message, details }: Pick<MigrationError, "message" | "details">): string {
  return details.hint === undefined ? message : `${message}. ${String(details.hint)}`;
}

interface LintedDatabase {
  readonly forecast: Forecast;
  readonly connection: ConnectionSettings;
  readonly evidence: Evidence;
}

function lintPending(
  io: ProcessIo,
  flags: DatabaseFlags,
  folder: MigrationFolder,
  { forecast, connection, evidence }: LintedDatabase,
): Promise<Attempt<LintReport>> {
  return unlessRefused(async () => {
    const { lintMigrations, readFacts } = await import("../../review/lint/index.ts");
    return lintMigrations({
      forecast,
      folder,
      signal: io.signal,
      facts: () => readFacts(connection, evidence),
      newestApplied: flags.order === "allow" ? null : forecast.head,
      relativeTo: rootOfPlaces(io),
    });
  });
}

/** Runs the pending migrations on a scratch database that has the schema. */
function replayOn(
  io: ProcessIo,
  flags: DatabaseFlags,
  { source, schema }: { readonly source: MigrationSource; readonly schema: string },
): Promise<Attempt<Replay>> {
  if (source.entries.length === 0) return Promise.resolve({});
  return unlessRefused(async () => {
    const { scratch } = await chooseScratch(io, flags);
    const setup = { scratch, source, schema, options: engineOptions(flags), signal: io.signal };
    return withTrial(setup, (trial) => replayMigrations(trial, namesOf(source)));
  });
}

async function withTrial<T>(setup: TrialSetup, work: (trial: TrialDatabase) => Promise<T>): Promise<T> {
  const trial = await TrialDatabase.open(setup);
  try {
    return await work(trial);
  } finally {
    await trial.discard();
  }
}

/** Where the scratch database of a report on a folder is made, and what it has before its pending migrations run. */
export interface FolderStart {
  readonly scratch: ScratchProvider;
  /** The migrations up to and including this one. */
  readonly after?: string | undefined;
  /** The migrations of this commit. */
  readonly base?: BaseCommit | undefined;
}

/** The report on a folder: what its migrations make of an empty database, or of one that has some migrations. */
export async function reportOnFolder(
  io: ProcessIo,
  flags: DatabaseFlags,
  { scratch, ...start }: FolderStart,
): Promise<MigrationReport> {
  const source = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const setup = { scratch, source, options: engineOptions(flags), signal: io.signal };
  return withTrial(setup, async (trial) => {
    if (start.after !== undefined) await trial.up(start.after);
    if (start.base !== undefined) await applyBase(trial, start.base, listingOptions(flags));
    return reportOnTrial(io, flags, { trial, source, ...start });
  });
}

interface PreparedTrial extends Omit<FolderStart, "scratch"> {
  readonly trial: TrialDatabase;
  readonly source: MigrationFolder;
}

/** The engine compares the folder with the scratch database as it does with any other. */
async function reportOnTrial(
  io: ProcessIo,
  flags: DatabaseFlags,
  { trial, source, base, after }: PreparedTrial,
): Promise<MigrationReport> {
  const { refusals, warnings, migrations } = await trial.status();
  const forecast = await trial.forecast();
  const plan = await unlessRefused(() => trial.plan());
  const { connection } = trial.database;
  // A scratch database has the tables of its start, and no rows.
  const evidence = base === undefined && after === undefined ? "columns" : "tables";
  const lint = await lintPending(io, flags, source, { forecast, connection, evidence });
  const before = await trial.tables();
  const pending = pendingOf(migrations);
  const entries = source.entries.filter(({ name }) => pending.has(name));
  const replay =
    refusals.length > 0
      ? { problem: "`up` would refuse to run." }
      : { result: await replayMigrations(trial, namesOf({ entries })) };
  return {
    subject: { kind: "folder", folder: flags.migrationsDir, base: base?.commit.slice(0, 10) },
    head: forecast.head,
    digest: plan.result?.digest ?? null,
    pending: describePending(pending, { entries, forecast, lint, replay }),
    refusals,
    warnings: plan.result?.warnings ?? warnings,
    notLinted: lint.problem,
    schema: describeSchema(before, replay),
    history: [],
  };
}

/** Applies the migrations that a commit has to an empty scratch database. */
async function applyBase(trial: TrialDatabase, base: BaseCommit, options: ReadFolderOptions): Promise<void> {
  if (base.dir === undefined) return;
  const source = await openFolder(base.dir, options);
  const newest = namesOf(source).at(-1);
  if (newest === undefined) return;
  const { problem } = await unlessRefused(() => trial.withSource(source).up(newest));
  if (problem === undefined) return;
  const message = `the migrations of ${base.name} cannot be applied to a scratch database: ${problem}`;
  throw new MigrationError("MIGRATION", message, {
    hint: "Compare with a commit whose migrations can be applied to an empty database: --base names it.",
  });
}

function namesOf({ entries }: Pick<MigrationSource, "entries">): string[] {
  return inRunningOrder(entries, ({ fileName }) => fileName).map(({ name }) => name);
}

/** Pending migrations by name. */
type Pending = ReadonlyMap<string, MigrationStatus>;

function pendingOf(migrations: readonly MigrationStatus[]): Pending {
  return new Map(migrations.flatMap((one) => (one.state === "pending" ? [[one.name, one] as const] : [])));
}

interface Findings extends Pick<MigrationSource, "entries"> {
  readonly forecast: Forecast;
  readonly lint: Attempt<LintReport>;
  readonly replay: Attempt<Replay>;
}

function describePending(
  pending: Pending,
  { entries, forecast, lint, replay }: Findings,
): ReportedMigration[] {
  const steps = maskedSteps(forecast.steps);
  return namesOf({ entries }).map((name) => {
    const { note: recorded, waitsFor } = pending.get(name) ?? {};
    const run = replay.result?.migrations.find((one) => one.name === name);
    const isNamed = ({ migration }: { readonly migration: string }) => migration === name;
    const forecasted = steps.find(isNamed);
    const step = forecasted?.sql == null ? (run?.step ?? forecasted) : forecasted;
    const broken = forecast.failures.find(isNamed)?.error;
    const down = forecast.downs.get(name)?.kind;
    return {
      name,
      sql: recorded === undefined ? (step?.sql ?? null) : [],
      recorded,
      waitsAfter: waitsFor?.after,
      transactional: step?.transactional ?? null,
      inBatches: step?.backfill !== undefined,
      dynamic: step?.dynamic ?? false,
      down: down === undefined ? "unknown" : down === "irreversible" ? "no" : "yes",
      findings: lint.result?.findings.filter(isNamed) ?? [],
      changes: run?.changes,
      problem: broken === undefined ? failureOf(name, replay) : `Its SQL cannot be built: ${broken.message}`,
    };
  });
}

function failureOf(name: string, { result }: Attempt<Replay>): string | undefined {
  if (result?.failure?.migration !== name) return undefined;
  return `It failed on the scratch database, which has no rows: ${result.failure.message}`;
}

function describeSchema(
  now: readonly SchemaTable[],
  { result, problem }: Attempt<Replay>,
): MigrationReport["schema"] {
  if (problem !== undefined) {
    const reason = `The schema after could not be made: ${problem}`;
    return { before: focusDiagram(drawSchema(now)), after: undefined, problem: reason };
  }
  const { before = now, after = now, failure } = result ?? {};
  return {
    before: focusDiagram(drawSchema(before)),
    after: focusDiagram(compareSchemas(before, after)),
    problem:
      failure &&
      `${failure.migration} failed on the scratch database: this is the schema that the migrations before it make.`,
  };
}
