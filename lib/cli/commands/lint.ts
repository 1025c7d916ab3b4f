import type { LintFinding, LintReport } from "../../review/lint/index.ts";
import { choice, defineCommand, toggle } from "../command.ts";
import { withContext } from "../context.ts";
import { DATABASE_FLAGS } from "../flags.ts";
import { annotationsOf, rootOfPlaces } from "../github/workflow.ts";
import { type Colors, clip, printJson, visibleAll, wrap } from "../output/printer.ts";
import { EXIT, widthOf } from "../process-io.ts";

export const lint = defineCommand({
  name: "lint",
  summary: "look for what is dangerous in the SQL of pending migrations (needs squawk-cli and libpg-query)",
  input: {},
  flags: {
    all: toggle("--all", "look at applied migrations too"),
    format: choice("--format <format>", "for people, or as annotations of GitHub (default: text)", [
      "text",
      "github",
    ]),
    ...DATABASE_FLAGS,
  },
  // Exits with 1 for errors; warnings alone pass.
  run: (io, flags) =>
    withContext(
      io,
      flags,
      async ({ migrator, source, target, printer }) => {
        const { lintMigrations, readColumnTypes } = await import("../../review/lint/index.ts");
        const all = flags.all === true;
        const forecast = await migrator.forecast({ all });
        const github = flags.format === "github";
        const report = await lintMigrations({
          forecast,
          all,
          folder: source,
          signal: io.signal,
          // With all migrations, the types follow from the migrations themselves.
          columnTypes: async () => (all ? [] : readColumnTypes(target.connection)),
          newestApplied: all || flags.order === "allow" ? null : forecast.head,
          // Annotations are placed from the root of the repository.
          relativeTo: github ? rootOfPlaces(io) : io.cwd,
        });
        if (flags.json) printJson(io, "lint", report);
        else if (github) io.stdout.write(annotationsOf(report.findings));
        else
          printer.verbatim(
            renderLint(visibleAll(report), { width: widthOf(io.stdout), colors: printer.colors }),
          );
        return report.ok ? EXIT.done : EXIT.failed;
      },
      io.stderr,
    ),
});

export interface TextOptions {
  readonly width: number;
  readonly colors: Colors;
}

const STATEMENT_LINES = 6;

/** The report for a terminal. Findings arrive sorted by migration and file. */
export function renderLint(report: LintReport, options: TextOptions): string {
  const lines = report.findings.flatMap((finding, index) => [
    ...heading(finding, report.findings[index - 1], options),
    ...describe(finding, options),
  ]);
  const end = lines.length === 0 ? [] : [""];
  return `${[...lines, ...end, summary(report, options)].join("\n")}\n`;
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
  { findings, accepted, migrations, all = false }: LintReport,
  { colors }: TextOptions,
): string {
  if (migrations === 0) return `No ${all ? "" : "pending "}migrations: nothing to lint.`;
  const of = count(migrations, all ? "migration" : "pending migration");
  const answered =
    accepted.length === 0 ? "" : ` ${count(accepted.length, "finding")} answered in the files.`;
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
