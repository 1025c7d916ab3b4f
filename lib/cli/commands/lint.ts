import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import * as v from "valibot";
import {
  compareMigrations,
  errorMessage,
  type Forecast,
  inRunningOrder,
  MigrationError,
} from "../../core/index.ts";
import { forecastFiles } from "../../engine/index.ts";
import { type MigrationFolder, openFolder } from "../../folder/index.ts";
import type { LintFinding, LintReport, LintRequest } from "../../review/lint/index.ts";
import { choice, defineCommand, text, toggle, type Values } from "../command.ts";
import { withContext } from "../context.ts";
import { DATABASE_FLAGS, listingOptions } from "../flags.ts";
import { annotationsOf, rootOfPlaces } from "../github/workflow.ts";
import { type Colors, clip, createPrinter, printJson, visibleAll, wrap } from "../output/printer.ts";
import { createProgress } from "../output/progress.ts";
import { commandLine, EXIT, entryIn, type ProcessIo, widthOf } from "../process-io.ts";

const FLAGS = {
  all: toggle("--all", "look at applied migrations too"),
  filesOnly: {
    ...toggle(
      "--files-only",
      "use no database: look at all migrations, with our own rules if squawk-cli is missing",
    ),
    conflicts: ["local", "url", "envFile", "database"],
  },
  database: toggle(
    "--database",
    "judge by the sizes of the tables, and by which of them are new: for a database with the rows of production",
  ),
  after: text("--after <name>", "with --files-only: look at the migrations after this one"),
  plan: {
    ...text(
      "--plan <file>",
      "look at the migrations after the head of this plan, by the sizes of its tables; `plan --json` or the status function writes it",
    ),
    conflicts: ["local", "url", "envFile", "database", "filesOnly", "all"],
  },
  format: choice("--format <format>", "for people, or as annotations of GitHub (default: text)", [
    "text",
    "github",
  ]),
  ...DATABASE_FLAGS,
};
type Flags = Values<typeof FLAGS>;

export const lint = defineCommand({
  name: "lint",
  summary: "look for what is dangerous in the SQL of pending migrations (needs squawk-cli and libpg-query)",
  input: {},
  flags: FLAGS,
  // Exits with 1 for errors; warnings alone pass.
  run: (io, flags) => {
    if (flags.plan !== undefined) return lintPlan(io, flags, flags.plan);
    return flags.filesOnly ? lintFiles(io, flags) : lintWithDatabase(io, flags);
  },
});

function lintWithDatabase(io: ProcessIo, flags: Flags): Promise<number> {
  if (flags.after !== undefined) {
    throw new MigrationError("USAGE", "--after is for --files-only: a database knows what is pending");
  }
  return withContext(
    io,
    flags,
    async ({ migrator, source, target }) => {
      const { readFacts } = await import("../../review/lint/index.ts");
      const all = flags.all === true;
      const forecast = await migrator.forecast({ all });
      return lintAndPrint(io, flags, {
        forecast,
        all,
        folder: source,
        facts: () => readFacts(target.connection, flags.database ? "sizes" : "columns"),
        newestApplied: all || flags.order === "allow" ? null : forecast.head,
      });
    },
    io.stderr,
  );
}

/** The version that a new database gets. */
const USUAL_MAJOR = 17;

async function lintFiles(io: ProcessIo, flags: Flags): Promise<number> {
  const folder = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const forecast = await forecastNamed(io, flags, { folder, names: namesAfter(folder, flags.after) });
  return lintAndPrint(io, flags, {
    forecast,
    all: true,
    folder,
    newestApplied: null,
    squawk: "if-installed",
  });
}

/**
 * The database may be out of reach, as from a laptop: a plan of it has its head and the sizes of its tables. It need not have
 * the migrations: a function plans what is deployed, and those that are judged may be newer.
 */
async function lintPlan(io: ProcessIo, flags: Flags, file: string): Promise<number> {
  const { head, steps, tables: sizes } = await readPlanned(io, file);
  const folder = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const planned = new Set(steps.map(({ migration }) => migration));
  const names = namesAfter(folder, undefined).filter(
    (name) => planned.has(name) || head === null || compareMigrations(name, head) > 0,
  );
  return lintAndPrint(io, flags, {
    forecast: await forecastNamed(io, flags, { folder, names }),
    folder,
    facts: async () => ({ columns: [], checks: [], indexes: [], sizes, othersAreSmall: true }),
    newestApplied: flags.order === "allow" ? null : head,
  });
}

interface NamedMigrations {
  readonly folder: MigrationFolder;
  readonly names: readonly string[];
}

async function forecastNamed(
  io: ProcessIo,
  flags: Flags,
  { folder, names }: NamedMigrations,
): Promise<Forecast> {
  const observe = createProgress(io, io.stderr);
  const migrations = await forecastFiles(folder, names, {
    decamelize: flags.decamelize ?? false,
    warn: (message) => observe({ type: "warning", message }),
    observe,
    signal: io.signal,
  });
  return { ...migrations, head: null, serverMajor: USUAL_MAJOR };
}

const Planned = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    action: v.literal("up"),
    head: v.nullable(v.string()),
    steps: v.array(v.object({ migration: v.string() })),
    tables: v.array(
      v.object({ schema: v.string(), name: v.string(), rows: v.nullable(v.number()), bytes: v.number() }),
    ),
  }),
);

async function readPlanned({ cwd }: ProcessIo, file: string) {
  const hint = `Write it with ${commandLine("plan", "--json")} > plan.json, or take the answer of the status function to {"command":"plan"}.`;
  const text = await readFile(resolve(cwd, file), "utf8").catch((cause: unknown) => {
    throw new MigrationError("USAGE", `${file} cannot be read: ${errorMessage(cause)}`, { hint, cause });
  });
  const parsed = v.safeParse(Planned, text);
  if (parsed.success) return parsed.output;
  throw new MigrationError("USAGE", `${file} is no plan of \`up\` with the sizes of its tables`, { hint });
}

function namesAfter({ entries, dir }: MigrationFolder, after: string | undefined): readonly string[] {
  const names = inRunningOrder(entries, ({ name }) => name).map(({ name }) => name);
  if (after === undefined) return names;
  if (names.includes(after)) return names.slice(names.indexOf(after) + 1);
  throw new MigrationError("USAGE", `no migration is called "${after}" in ${dir}`, {
    hint: "--after takes the name of a migration: its file name without the extension.",
  });
}

async function lintAndPrint(
  io: ProcessIo,
  flags: Flags,
  request: Omit<LintRequest, "relativeTo" | "signal">,
): Promise<number> {
  const { lintMigrations } = await import("../../review/lint/index.ts");
  const github = flags.format === "github";
  const report = await lintMigrations({
    ...request,
    signal: io.signal,
    // Annotations are placed from the root of the repository.
    relativeTo: github ? rootOfPlaces(io) : io.cwd,
  });
  const printer = createPrinter(io, io.stdout);
  if (flags.json) printJson(io, "lint", { ...report, findings: report.findings.map(withEntry) });
  else if (github) io.stdout.write(annotationsOf(report.findings));
  else
    printer.verbatim(renderLint(visibleAll(report), { width: widthOf(io.stdout), colors: printer.colors }));
  return report.ok ? EXIT.done : EXIT.failed;
}

function withEntry(finding: LintFinding) {
  return { ...finding, docs: entryIn("linting", finding.rule) };
}

export interface TextOptions {
  readonly width: number;
  readonly colors: Colors;
}

const STATEMENT_LINES = 6;

/** The report for a terminal. Findings arrive sorted by migration and file. */
export function renderLint(report: LintReport, options: TextOptions): string {
  const { findings } = report;
  const lines = findings.flatMap((finding, index) => [
    ...heading(finding, findings[index - 1], options),
    ...(earlierLikeThis(findings, index) < SHOWN_OF_A_RULE ? describe(finding, options) : []),
    ...(isLastOfFile(findings, index) ? notShown(findings, finding.file, options) : []),
  ]);
  const { colors } = options;
  const end =
    lines.length === 0 ? [] : ["", colors.dim(`About the rules: ${entryIn("linting", "the-rules")}`)];
  return `${[...lines, ...end, summary(report, options)].join("\n")}\n`;
}

/** So many findings of one rule are shown for each file: a file that renames 30 columns needs no more. */
const SHOWN_OF_A_RULE = 3;

function earlierLikeThis(findings: readonly LintFinding[], index: number): number {
  const { file, rule } = findings[index] ?? {};
  return findings.slice(0, index).filter((other) => other.file === file && other.rule === rule).length;
}

function isLastOfFile(findings: readonly LintFinding[], index: number): boolean {
  return findings[index + 1]?.file !== findings[index]?.file;
}

/** The lines of the findings that are not shown. */
function notShown(findings: readonly LintFinding[], file: string, { width, colors }: TextOptions): string[] {
  const inFile = findings.filter((finding) => finding.file === file);
  return [...new Set(inFile.map(({ rule }) => rule))].flatMap((rule) => {
    const more = inFile.filter((finding) => finding.rule === rule).slice(SHOWN_OF_A_RULE);
    if (more.length === 0) return [];
    const lines = [...new Set(more.flatMap(({ line }) => (line === undefined ? [] : [line])))];
    const places = lines.length === 0 ? "" : `, in line${lines.length === 1 ? "" : "s"} ${lines.join(", ")}`;
    return wrap(`${more.length} more of ${rule}${places}`, width - 2).map((text) => `  ${colors.dim(text)}`);
  });
}

/** A blank line between migrations, and the name of each file. */
function heading(finding: LintFinding, previous: LintFinding | undefined, { colors }: TextOptions): string[] {
  if (previous?.file === finding.file) return [];
  const isNext = previous !== undefined && previous.migration !== finding.migration;
  return [...(isNext ? [""] : []), colors.bold(finding.file)];
}

function describe(finding: LintFinding, { width, colors }: TextOptions): string[] {
  const { severity, rule, line, column, statement, message, help } = finding;
  const mark = severity === "error" ? colors.red(severity) : colors.yellow(severity);
  const place =
    line === undefined ? "" : colors.dim(` at ${line}${column === undefined ? "" : `:${column}`}`);
  const sql = line === undefined && statement !== undefined ? excerpt(statement, width - 6) : [];
  return [
    `  ${mark} ${colors.bold(rule)}${place}`,
    ...wrap(message, width - 4).map((text) => `    ${text}`),
    ...sql.map((text) => `    ${colors.dim("|")} ${text}`),
    ...wrap(help, width - 6).map((text, index) => `    ${index === 0 ? colors.green(">") : " "} ${text}`),
  ];
}

function excerpt(statement: string, width: number): string[] {
  const lines = statement.split(/\r\n|\r|\n/).map((line) => clip(line, width));
  const more = lines.length > STATEMENT_LINES ? [`(${lines.length - STATEMENT_LINES} more lines)`] : [];
  return [...lines.slice(0, STATEMENT_LINES), ...more];
}

function summary(
  { findings, accepted, quick = [], migrations, all = false }: LintReport,
  { colors }: TextOptions,
): string {
  if (migrations === 0) return `No ${all ? "" : "pending "}migrations: nothing to lint.`;
  const of = count(migrations, all ? "migration" : "pending migration");
  const answered =
    (accepted.length === 0 ? "" : ` ${count(accepted.length, "finding")} answered in the files.`) +
    (quick.length === 0
      ? ""
      : ` ${count(quick.length, "finding")} left out: quick on this database, whose tables are small.`);
  if (findings.length === 0) return `${colors.green("No findings")} in ${of}.${answered}`;
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const parts = [
    ...(errors > 0 ? [colors.red(count(errors, "error"))] : []),
    ...(findings.length > errors ? [colors.yellow(count(findings.length - errors, "warning"))] : []),
  ];
  return `${parts.join(" and ")} in ${of}.${answered}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
