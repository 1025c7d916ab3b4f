import { resolve } from "node:path";
import { type Forecast, inRunningOrder, MigrationError, type MigrationSource } from "../../core/index.ts";
import { maskedSteps } from "../../engine/index.ts";
import { type MigrationFolder, openFolder } from "../../folder/index.ts";
import { type ConnectionSettings, closeClient } from "../../postgres/index.ts";
import { connectTo, ownTablesOf, readTables, type SchemaTable } from "../../review/catalog/index.ts";
import { dumpSchema } from "../../review/dump/index.ts";
import type { LintReport } from "../../review/lint/index.ts";
import {
  compareSchemas,
  drawPicture,
  drawSchema,
  focusDiagram,
  type MigrationReport,
  type ReportedMigration,
  renderHtml,
  renderMarkdown,
} from "../../review/report/index.ts";
import { type Replay, replayMigrations, TrialDatabase, type TrialSetup } from "../../review/verify/index.ts";
import { choice, defineCommand, text, toggle, type Values } from "../command.ts";
import { type Context, withContext } from "../context.ts";
import { DATABASE_FLAGS, engineOptions, listingOptions } from "../flags.ts";
import { fileSystemError, writeWhole } from "../output/file-system.ts";
import { createPrinter, printJson, visibleAll } from "../output/printer.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";
import { chooseScratch } from "../settings/target.ts";

const REPORT_FLAGS = {
  format: choice("--format <format>", "for a pull request or for a browser (default: as --output ends)", [
    "markdown",
    "html",
  ]),
  output: text("--output <file>", "where to; - is the standard output (default: -, or report.html)"),
  scratch: toggle("--scratch", "of the folder alone: all migrations on an empty scratch database"),
  after: text("--after <name>", "with --scratch: migrations up to and including this one are applied first"),
  ...DATABASE_FLAGS,
};

type ReportFlags = Values<typeof REPORT_FLAGS>;

export const report = defineCommand({
  name: "report",
  summary: "write one file about what will run: SQL, lint findings, the schema before and after, the history",
  input: {},
  flags: REPORT_FLAGS,
  run: async (io, flags) => {
    if (flags.after !== undefined && !flags.scratch) {
      throw new MigrationError("USAGE", "--after goes with --scratch only", {
        hint: "A database knows itself what is applied. Add --scratch to report on the folder alone.",
      });
    }
    if (flags.scratch) return writeReport(io, flags, await reportOnFolder(io, flags));
    return withContext(
      io,
      flags,
      async (context) => writeReport(io, flags, await reportOnDatabase(io, flags, context)),
      io.stderr,
    );
  },
});

async function writeReport(io: ProcessIo, flags: ReportFlags, found: MigrationReport): Promise<number> {
  const shown = visibleAll(found);
  const isHtml = flags.format === undefined ? /\.html?$/i.test(flags.output ?? "") : flags.format === "html";
  const output = flags.output ?? (isHtml ? "report.html" : "-");
  const document = isHtml ? await renderPage(shown) : renderMarkdown(shown);
  if (output !== "-") {
    await writeWhole(resolve(io.cwd, output), document).catch((error: unknown) => {
      throw fileSystemError(error) ?? error;
    });
  }
  if (flags.json) printJson(io, "report", { output, ...shown });
  else if (output === "-") io.stdout.write(document);
  else createPrinter(io, io.stdout).line(`Wrote ${output}.`);
  return EXIT.done;
}

async function renderPage(shown: MigrationReport): Promise<string> {
  const { before, after } = shown.schema;
  return renderHtml(shown, {
    before: await drawPicture(before),
    after: after === undefined ? undefined : await drawPicture(after),
  });
}

/** The report on a database. What is pending runs on a copy of its schema, where a scratch database can be made. */
async function reportOnDatabase(
  io: ProcessIo,
  flags: ReportFlags,
  { migrator, source, target }: Context,
): Promise<MigrationReport> {
  const { head, refusals, warnings, migrations } = await migrator.status();
  const pending = new Set(migrations.filter(({ state }) => state === "pending").map(({ name }) => name));
  const forecast = await migrator.forecast();
  const { entries: history } = await migrator.history();
  const lint = await lintPending(io, flags, source, { forecast, connection: target.connection });
  const schema = await readSchema(target.connection, flags);
  const entries = source.entries.filter(({ name }) => pending.has(name));
  const replay = await replayOn(io, flags, { source: { ...source, entries }, schema: schema.sql });
  const { database, host, user } = target.connection;
  return {
    subject: { kind: "database", database, host, user },
    head,
    pending: describePending({ ...source, entries }, { forecast, lint, replay }),
    refusals,
    warnings,
    notLinted: lint.problem,
    schema: describeSchema(schema.tables, replay),
    history,
  };
}

interface Schema {
  readonly sql: string;
  readonly tables: readonly SchemaTable[];
}

async function readSchema(connection: ConnectionSettings, flags: ReportFlags): Promise<Schema> {
  const client = await connectTo(connection);
  const options = { exclude: ownTablesOf(engineOptions(flags)) };
  try {
    return { tables: await readTables(client, options), sql: (await dumpSchema(client, options)).sql };
  } finally {
    await closeClient(client);
  }
}

/** What was found out, or why not. */
interface Attempt<T> {
  readonly result?: T;
  readonly problem?: string;
}

/** A report without a part says why. What ends every command, such as Ctrl-C, ends this one too. */
async function unlessRefused<T>(work: () => Promise<T>): Promise<Attempt<T>> {
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

function lintPending(
  io: ProcessIo,
  flags: ReportFlags,
  folder: MigrationFolder,
  { forecast, connection }: { readonly forecast: Forecast; readonly connection: ConnectionSettings },
): Promise<Attempt<LintReport>> {
  return unlessRefused(async () => {
    const { lintMigrations, readColumnTypes } = await import("../../review/lint/index.ts");
    return lintMigrations({
      forecast,
      folder,
      signal: io.signal,
      columnTypes: () => readColumnTypes(connection),
      newestApplied: flags.order === "allow" ? null : forecast.head,
      relativeTo: io.cwd,
    });
  });
}

/** Runs the pending migrations on a scratch database that has the schema. */
function replayOn(
  io: ProcessIo,
  flags: ReportFlags,
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

/** The report on a folder: what its migrations make of an empty database, or of one that has the first of them. */
async function reportOnFolder(io: ProcessIo, flags: ReportFlags): Promise<MigrationReport> {
  const source = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const { scratch, notes } = await chooseScratch(io, flags);
  const remarks = createPrinter(io, io.stderr);
  for (const note of notes) remarks.line(remarks.colors.dim(note));
  const setup = { scratch, source, options: engineOptions(flags), signal: io.signal };
  return withTrial(setup, async (trial) => {
    if (flags.after !== undefined) await trial.up(flags.after);
    const forecast = await trial.forecast();
    const { connection } = trial.database;
    const lint = await lintPending(io, flags, source, { forecast, connection });
    const names = namesOf(source);
    const entries = source.entries.filter(
      ({ name }) => !names.slice(0, names.indexOf(flags.after ?? "") + 1).includes(name),
    );
    const replay = { result: await replayMigrations(trial, namesOf({ entries })) };
    return {
      subject: { kind: "folder", folder: flags.migrationsDir },
      head: forecast.head,
      pending: describePending({ entries }, { forecast, lint, replay }),
      refusals: [],
      warnings: [],
      notLinted: lint.problem,
      schema: describeSchema([], replay),
      history: [],
    };
  });
}

function namesOf({ entries }: Pick<MigrationSource, "entries">): string[] {
  return inRunningOrder(entries, ({ fileName }) => fileName).map(({ name }) => name);
}

interface Findings {
  readonly forecast: Forecast;
  readonly lint: Attempt<LintReport>;
  readonly replay: Attempt<Replay>;
}

function describePending(
  source: Pick<MigrationSource, "entries">,
  { forecast, lint, replay }: Findings,
): ReportedMigration[] {
  const steps = maskedSteps(forecast.steps);
  return namesOf(source).map((name) => {
    const run = replay.result?.migrations.find((one) => one.name === name);
    const isNamed = ({ migration }: { readonly migration: string }) => migration === name;
    const forecasted = steps.find(isNamed);
    const step = forecasted?.sql == null ? (run?.step ?? forecasted) : forecasted;
    const broken = forecast.failures.find(isNamed)?.error;
    const down = forecast.downs.get(name)?.kind;
    return {
      name,
      sql: step?.sql ?? null,
      transactional: step?.transactional ?? null,
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
