import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createTwoFilesPatch } from "diff";
import { errorCode, MigrationError } from "../../core/index.ts";
import { openFolder } from "../../folder/index.ts";
import { closeClient } from "../../postgres/index.ts";
import { connectTo, ownTablesOf, readTables, type SchemaTable } from "../../review/catalog/index.ts";
import { DUMP_MARK, dumpSchema } from "../../review/dump/index.ts";
import { drawSchema, renderMermaid } from "../../review/report/index.ts";
import { choice, defineCommand, text as textFlag, toggle, type Values } from "../command.ts";
import { makeMigrator } from "../context.ts";
import { DATABASE_FLAGS, engineOptions, listingOptions } from "../flags.ts";
import { fileSystemError, replaceOwn } from "../output/file-system.ts";
import { type Colors, createPrinter, type Printer, printJson } from "../output/printer.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";
import { chooseTarget, type Target } from "../settings/target.ts";

const DUMP_FLAGS = {
  format: choice("--format <format>", "as SQL, or as an entity-relationship diagram (default: sql)", [
    "sql",
    "mermaid",
  ]),
  output: textFlag(
    "--output <file>",
    "where to; - is the standard output (default: schema.sql, schema.md with --format mermaid)",
  ),
  force: toggle("--force", "also replace a file that dump has not written"),
  check: toggle("--check", "write nothing; exit with 1 when the file is not what would be written"),
  ...DATABASE_FLAGS,
};

type DumpFlags = Values<typeof DUMP_FLAGS> & { readonly output: string };

export const dump = defineCommand({
  name: "dump",
  summary: "write the schema of the database to a file, the same for the same schema",
  input: {},
  flags: DUMP_FLAGS,
  run: (io, flags) => {
    const output = flags.output ?? (flags.format === "mermaid" ? "schema.md" : "schema.sql");
    return writeSchema(io, { ...flags, output });
  },
});

async function writeSchema(io: ProcessIo, flags: DumpFlags): Promise<number> {
  const toStdout = flags.output === "-";
  if (toStdout && (flags.json || flags.check)) {
    throw new MigrationError("USAGE", `--output - goes with neither --json nor --check`, {
      hint: "Name a file.",
    });
  }
  const printer = createPrinter(io, flags.json || toStdout ? io.stderr : io.stdout);
  const target = await chooseTarget(io, flags);
  const remarks = createPrinter(io, io.stderr);
  for (const note of target.notes) remarks.line(remarks.colors.dim(note));
  const schema = await readSchema(io, target, flags);
  const pending = await readPending(io, target, flags);
  if (flags.check) return check(io, flags, schema, { printer, pending });
  if (toStdout) io.stdout.write(schema.text);
  else await writeDump(resolve(io.cwd, flags.output), schema.text, { force: flags.force === true });
  const { omitted } = schema;
  if (flags.json) printJson(io, "dump", { output: flags.output, omitted, pending, difference: null });
  else if (!toStdout) printer.line(`Wrote ${flags.output}.`);
  remark(printer, omitted, pending);
  return EXIT.done;
}

async function check(
  io: ProcessIo,
  flags: DumpFlags,
  { text, omitted }: Dump,
  { printer, pending }: { readonly printer: Printer; readonly pending: readonly string[] },
): Promise<number> {
  const file = await readDump(resolve(io.cwd, flags.output));
  const difference = compareDump(flags.output, file ?? "", text);
  const ok = difference === undefined;
  if (flags.json) {
    const result = { output: flags.output, exists: file !== undefined, omitted, pending };
    printJson(io, "dump", { ...result, difference: difference ?? null, ok });
  } else if (file === undefined) {
    printer.line(`${flags.output} does not exist: ${commandLine("dump")} writes it.`);
  } else if (difference !== undefined) {
    printer.verbatim(colorDifference(difference, printer.colors));
    printer.line(
      `${flags.output} is not the schema of this database: ${commandLine("dump")} writes it anew.`,
    );
  } else printer.line(`${flags.output} is up to date.`);
  remark(printer, omitted, pending);
  return ok ? EXIT.done : EXIT.failed;
}

function remark(printer: Printer, omitted: readonly string[], pending: readonly string[]): void {
  for (const name of omitted) printer.line(`Not in it: ${name}`);
  if (pending.length === 0) return;
  const [are, they] = pending.length === 1 ? ["is", "it"] : ["are", "they"];
  printer.line(
    `${pending.join(", ")} ${are} pending: what ${they} would change is not in it. ${commandLine("up")} first.`,
  );
}

/** What is written to the file. */
interface Dump {
  readonly text: string;
  readonly omitted: readonly string[];
}

async function readSchema(io: ProcessIo, target: Target, flags: DumpFlags): Promise<Dump> {
  const client = await connectTo(target.connection, io.signal);
  const options = { exclude: ownTablesOf(engineOptions(flags)) };
  try {
    if (flags.format === "mermaid")
      return { text: asDiagram(await readTables(client, options), flags.output), omitted: [] };
    const { sql, omitted } = await dumpSchema(client, options);
    return { text: sql, omitted };
  } finally {
    await closeClient(client);
  }
}

/** The diagram alone, or in a Markdown file as a page that GitHub shows as a picture. */
function asDiagram(tables: readonly SchemaTable[], output: string): string {
  const diagram = renderMermaid(drawSchema(tables));
  if (!/\.(?:md|markdown)$/i.test(output)) return `%% ${DUMP_MARK}\n${diagram}`;
  return `<!-- ${DUMP_MARK} -->\n\n# Schema\n\n\`\`\`mermaid\n${diagram}\`\`\`\n`;
}

/** Names of pending migrations; none if the folder cannot be read, without which a schema can be dumped too. */
async function readPending(io: ProcessIo, target: Target, flags: DumpFlags): Promise<string[]> {
  try {
    const source = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
    const { migrations } = await makeMigrator(io, flags, { target, source }).status();
    return migrations.filter(({ state }) => state === "pending").map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Undefined if there is no file. Git may have changed the line endings. */
export async function readDump(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).replace(/\r\n/g, "\n");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw fileSystemError(error) ?? error;
  }
}

/** @throws MigrationError `USAGE` if `dump` did not write the existing file, `FILE_SYSTEM` if it cannot be written */
function writeDump(path: string, sql: string, { force = false } = {}): Promise<void> {
  const hint = "Choose another file with --output, or pass --force to replace it.";
  return replaceOwn(path, sql, { command: "dump", isOwn: (text) => force || isDump(text), hint });
}

function isDump(text: string): boolean {
  return text.split("\n", 1)[0]?.includes(DUMP_MARK) === true;
}

/** The differences of a file from the schema as a unified diff; undefined if there are none. */
export function compareDump(path: string, file: string, sql: string): string | undefined {
  if (file === sql) return undefined;
  return createTwoFilesPatch(path, path, file, sql, "as it is", "as it should be");
}

function colorDifference(difference: string, colors: Colors): string {
  return difference
    .split("\n")
    .map((line) => {
      if (/^(?:\+\+\+|---|===)/.test(line)) return colors.bold(line);
      if (line.startsWith("+")) return colors.green(line);
      if (line.startsWith("-")) return colors.red(line);
      return line.startsWith("@@") ? colors.cyan(line) : line;
    })
    .join("\n");
}
