import { relative, resolve } from "node:path";
import { MigrationError } from "../../core/index.ts";
import { openFolder } from "../../folder/index.ts";
import {
  existingBaseline,
  existingNames,
  type ImportPlan,
  type ImportRequest,
  openSourceFolder,
  planImport,
  type Query,
  readToolTable,
  requireConverted,
  type TableName,
  TOOL_NAMES,
  type Tool,
  type ToolRows,
  toolNamed,
  writeMigrations,
} from "../../import/index.ts";
import { closeClient } from "../../postgres/index.ts";
import { connectTo, inSnapshot, ownTablesOf, withTypedErrors } from "../../review/catalog/index.ts";
import { dumpSchema } from "../../review/dump/index.ts";
import { choice, defineCommand, text, toggle, type Values } from "../command.ts";
import { requireConsent } from "../confirm.ts";
import { type DatabaseContext, makeMigrator, withDatabase } from "../context.ts";
import { engineOptions, listingOptions, RUN_FLAGS } from "../flags.ts";
import {
  amount,
  createPrinter,
  listNames,
  type Printer,
  printJson,
  visible,
  visibleAll,
} from "../output/printer.ts";
import { createProgress } from "../output/progress.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";
import type { Target } from "../settings/target.ts";

const IMPORT_FLAGS = {
  from: choice("--from <tool>", "the tool that has made them", TOOL_NAMES),
  source: text("--source <folder>", "the tool's folder of migrations (default: where it usually is)"),
  table: text(
    "--table <name>",
    "the tool's table, also schema.name (default: its usual name, in any schema)",
  ),
  baseline: toggle("--baseline", "replace all that is applied with one migration of the present schema"),
  filesOnly: toggle("--files-only", "use no database: write what can be converted, record nothing"),
  dryRun: toggle("--dry-run", "write and record nothing; show what would be"),
  ...RUN_FLAGS,
};

type ImportFlags = Values<typeof IMPORT_FLAGS>;

/** Loaded files and the words for them. */
interface Import {
  readonly tool: Tool;
  readonly request: ImportRequest;
  readonly dir: string;
}

export const importFrom = defineCommand({
  name: "import",
  summary: "take over the migrations of another tool: convert its files, record what is applied",
  input: {},
  flags: IMPORT_FLAGS,
  run: async (io, flags) => {
    const opened = await openImport(io, flags);
    if (flags.filesOnly) return importFiles(io, flags, opened);
    return withDatabase(io, flags, (context) => importAll(io, flags, opened, context));
  },
});

async function openImport(io: ProcessIo, flags: ImportFlags): Promise<Import> {
  const tool = toolNamed(flags.from);
  if (flags.filesOnly && flags.baseline)
    throw new MigrationError("USAGE", "--files-only and --baseline exclude each other", {
      hint: "The baseline is made from a database: leave --files-only out.",
    });
  const dir = resolve(io.cwd, flags.migrationsDir);
  const source = resolve(io.cwd, flags.source ?? tool.folder);
  if (source === dir)
    throw new MigrationError(
      "USAGE",
      `the migrations of ${tool.title} are in the folder for the new ones: ${dir}`,
      {
        hint: "Move them into another folder and name it with --source, or name another new one with --migrations-dir.",
      },
    );
  const folder = await openSourceFolder(source);
  const existing = await existingNames(dir);
  const baseline = flags.baseline ? await existingBaseline(dir, tool, existing) : undefined;
  const request = { tool, folder, existing, baseline, rows: undefined };
  return { tool, dir, request };
}

/** Works without a database: lists what cannot be converted, and writes the rest. */
async function importFiles(io: ProcessIo, flags: ImportFlags, { request, dir }: Import): Promise<number> {
  const plan = await planImport(request);
  if (!flags.dryRun) await writeMigrations(dir, plan.migrations);
  report(io, flags, { plan, request });
  return plan.problems.length > 0 ? EXIT.workFound : EXIT.done;
}

async function importAll(
  io: ProcessIo,
  flags: ImportFlags,
  { tool, request, dir }: Import,
  { migrator, target }: DatabaseContext,
): Promise<number> {
  if (!flags.dryRun) await requireConsent(io, target, { command: "import" });
  const { migrations } = await migrator.status();
  const facts = await readDatabase(io, flags, { tool, target });
  const place = { tableSchema: facts.table.schema, searchPath: flags.schema };
  const plan = await planImport({ ...request, ...place, rows: facts.rows, ...facts.schema });
  const table = qualified(facts.table);
  if (migrations.length > 0) {
    const names = new Set(migrations.map(({ name }) => name));
    requireRecorded(tool, plan, names);
    report(io, flags, { plan: asRecorded(plan, names), request, table, isRecorded: true });
    return EXIT.done;
  }
  requireConverted(tool, plan);
  if (!flags.dryRun) {
    await writeMigrations(dir, plan.migrations);
    await record(io, flags, { tool, plan, target, facts });
  }
  report(io, flags, { plan, request, table });
  return EXIT.done;
}

interface DatabaseFacts extends ToolRows {
  readonly schema: Pick<ImportRequest, "schema" | "omitted">;
}

/** The tool's table, and with `--baseline` the schema without the tables of both tools. */
async function readDatabase(
  io: ProcessIo,
  flags: ImportFlags,
  { tool, target }: { readonly tool: Tool; readonly target: Target },
): Promise<DatabaseFacts> {
  const client = await connectTo(target.connection, io.signal);
  try {
    const query: Query = async (sql, values = []) => (await client.query(sql, [...values])).rows;
    const found = await inSnapshot(client, () =>
      withTypedErrors(`the table of ${tool.title} cannot be read`, () =>
        readToolTable(query, tool, flags.table),
      ),
    );
    if (!flags.baseline) return { ...found, schema: {} };
    const { schema } = found.table;
    const others = [found.table, ...(tool.table.companions ?? []).map((name) => ({ schema, name }))];
    const { sql, omitted } = await dumpSchema(client, {
      exclude: { ...ownTablesOf(engineOptions(flags)), others },
    });
    // Its first line says that it was written by dump.
    return { ...found, schema: { schema: sql.slice(sql.indexOf("\n")).trim(), omitted } };
  } finally {
    await closeClient(client);
  }
}

interface Recorded {
  readonly tool: Tool;
  readonly plan: ImportPlan;
  readonly target: Target;
  readonly facts: DatabaseFacts;
}

/** Records what is applied, in one transaction and under the migration lock. */
async function record(
  io: ProcessIo,
  flags: ImportFlags,
  { tool, plan, target, facts }: Recorded,
): Promise<void> {
  const source = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const observe = createProgress(io, flags.json ? io.stderr : io.stdout);
  const migrator = makeMigrator(io, flags, { target, source, observe });
  const applied = plan.migrations.filter((one) => one.applied).map(({ name }) => name);
  const what = `${qualified(facts.table)}, the table of ${tool.title},`;
  const evidence = { what, sql: facts.sql, rows: facts.rows };
  await migrator.importApplied(applied, evidence, `imported from ${tool.title}`);
}

function qualified({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}

/** @throws MigrationError `USAGE` if the database has migrations of this tool, and not all that the other one has applied */
function requireRecorded(tool: Tool, plan: ImportPlan, names: ReadonlySet<string>): void {
  const applied = plan.migrations.filter((one) => one.applied).map(({ name }) => name);
  const missing = applied.filter((name) => !names.has(name));
  if (applied.length > 0 && missing.length === 0) return;
  const count = names.size === 1 ? "1 migration is" : `${names.size} migrations are`;
  const which =
    missing.length > 0
      ? `; of those of ${tool.title} it lacks ${visible(listNames(missing, NAMES_SHOWN))}`
      : "";
  const message = `${count} applied to this database already${which}`;
  throw new MigrationError("USAGE", message, {
    hint: `Import into a database that only ${tool.title} has migrated. If it has applied some since the import: --files-only writes their files, and ${commandLine("up", "1 --fake")} records one.`,
  });
}

/** The plan of an import that is recorded already: no file is written, and later runs may have applied more. */
function asRecorded(plan: ImportPlan, names: ReadonlySet<string>): ImportPlan {
  const migrations = plan.migrations.map(({ text: _text, ...one }) => ({
    ...one,
    applied: names.has(one.name),
  }));
  return { ...plan, migrations, problems: [], remarks: [] };
}

const NAMES_SHOWN = 10;

interface Imported {
  readonly plan: ImportPlan;
  readonly request: ImportRequest;
  /** Absent without a database. */
  readonly table?: string;
  /** An earlier import has recorded it. */
  readonly isRecorded?: boolean;
}

function report(io: ProcessIo, flags: ImportFlags, imported: Imported): void {
  const { plan, table, isRecorded = false } = imported;
  const migrations = plan.migrations.map(({ name, source, text, applied }) => ({
    name,
    source: source ?? null,
    written: text !== undefined && !flags.dryRun,
    applied,
  }));
  const { replaced, problems, remarks } = plan;
  const result = { from: flags.from, dryRun: flags.dryRun === true, table: table ?? null, migrations };
  const outcome = { isRecorded, replaced, problems, remarks, ok: problems.length === 0 };
  if (flags.json) printJson(io, "import", { ...result, ...outcome });
  else print(createPrinter(io, io.stdout), io, flags, { ...imported, plan: visibleAll(plan) });
}

function print(
  printer: Printer,
  io: ProcessIo,
  flags: ImportFlags,
  { plan, request, table, isRecorded }: Imported,
): void {
  const { dim, yellow } = printer.colors;
  const width = Math.max(0, ...plan.migrations.map(({ name }) => name.length));
  for (const { name, source, text, applied } of plan.migrations) {
    const state = table === undefined ? "" : `${applied ? "applied" : "pending"}  `;
    const origin = source === undefined ? "the present schema" : source;
    const kept = text === undefined && !isRecorded ? " (exists already, kept)" : "";
    printer.verbatim(`  ${state}${name.padEnd(width)}  ${dim(`from ${origin}${kept}`)}`);
  }
  if (plan.replaced.length > 0) printer.line(`It stands for ${listNames(plan.replaced, NAMES_SHOWN)}.`);
  for (const { file, message, hint } of plan.problems)
    printer.line(`  ${yellow("not converted")} ${file}: ${message}; ${hint}`);
  for (const remark of plan.remarks) printer.line(`${yellow("Note:")} ${remark}`);
  if (isRecorded) {
    printer.line(`What ${request.tool.title} has applied is recorded already: nothing was changed.`);
    return;
  }
  printer.line(outcome(io, flags, plan, table));
  if (flags.dryRun || table === undefined) return;
  const where = flags.migrationsDir === "migrations" ? "" : `-m ${flags.migrationsDir}`;
  printer.line(
    `Next: ${commandLine("status", where)} shows the state, ${commandLine("verify", where)} tries the files on a scratch database.`,
  );
  printer.line(
    `Then remove ${request.tool.title} and its folder ${visible(relative(io.cwd, request.folder.dir))}. Its table ${visible(table)} was not changed; drop it when nothing reads it any more.`,
  );
}

function outcome(
  io: ProcessIo,
  flags: ImportFlags,
  { migrations }: ImportPlan,
  table: string | undefined,
): string {
  const files = migrations.filter(({ text }) => text !== undefined).length;
  const applied = migrations.filter((one) => one.applied).length;
  const folder = visible(relative(io.cwd, resolve(io.cwd, flags.migrationsDir)) || ".");
  const written = `${files === 1 ? "1 file" : `${files} files`} ${flags.dryRun ? "to write" : "written"} to ${folder}`;
  if (table === undefined) return `${written}; nothing was recorded.`;
  const verb = flags.dryRun ? "to record" : "recorded";
  return `${written}, ${amount(applied)} ${verb} as applied; no SQL was run.`;
}
