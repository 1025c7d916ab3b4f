import { resolve } from "node:path";
import { given, type MeasuredMigration, MigrationError } from "../../core/index.ts";
import {
  drawPicture,
  isReport,
  type MigrationReport,
  renderHtml,
  renderMarkdown,
} from "../../review/report/index.ts";
import { choice, defineCommand, text, toggle, type Values } from "../command.ts";
import { requireMeasuring } from "../confirm.ts";
import { chooseNamedScratch, withContext } from "../context.ts";
import { CONFIRM_FLAGS, DATABASE_FLAGS } from "../flags.ts";
import { replaceOwn } from "../output/file-system.ts";
import { createPrinter, printJson, visibleAll } from "../output/printer.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";
import { reportOnDatabase, reportOnFolder } from "../reporting/migration-report.ts";

const REPORT_FLAGS = {
  format: choice("--format <format>", "for a pull request or for a browser (default: as --output ends)", [
    "markdown",
    "html",
  ]),
  output: text("--output <file>", "where to; - is the standard output (default: -, or report.html)"),
  scratch: toggle("--scratch", "of the folder alone: all migrations on an empty scratch database"),
  measure: toggle(
    "--measure",
    "what is pending also runs on the database, and is rolled back: what it locks",
  ),
  ...CONFIRM_FLAGS,
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
    if (flags.measure && flags.scratch) {
      throw new MigrationError("USAGE", "--measure is about a database with rows, and --scratch has none", {
        hint: "Leave one of the two out.",
      });
    }
    if (flags.scratch) {
      const scratch = await chooseNamedScratch(io, flags, io.stderr);
      return writeReport(io, flags, await reportOnFolder(io, flags, { scratch, after: flags.after }));
    }
    return withContext(
      io,
      flags,
      async (context) => {
        if (flags.measure) await requireMeasuring(io, context.target, { command: "report", flags });
        const found = await reportOnDatabase(io, flags, context);
        const { measured = [] } = flags.measure ? await context.migrator.measureUp() : {};
        return writeReport(io, flags, withMeasured(found, measured));
      },
      io.stderr,
    );
  },
});

function withMeasured(found: MigrationReport, measured: readonly MeasuredMigration[]): MigrationReport {
  const pending = found.pending.map((one) => {
    return { ...one, ...given({ measured: measured.find(({ migration }) => migration === one.name) }) };
  });
  return { ...found, pending };
}

async function writeReport(io: ProcessIo, flags: ReportFlags, found: MigrationReport): Promise<number> {
  const shown = visibleAll(found);
  const isHtml = flags.format === undefined ? /\.html?$/i.test(flags.output ?? "") : flags.format === "html";
  const output = flags.output ?? (isHtml ? "report.html" : "-");
  const document = isHtml ? await renderPage(shown) : renderMarkdown(shown);
  if (output !== "-") {
    const hint = "Choose another file with --output, or delete this one first.";
    await replaceOwn(resolve(io.cwd, output), document, { command: "report", isOwn: isReport, hint });
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
