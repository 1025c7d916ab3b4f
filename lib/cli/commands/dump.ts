import { resolve } from "node:path";
import * as v from "valibot";
import { MigrationError } from "../../core/index.ts";
import { Migrator } from "../../engine/index.ts";
import { openFolder } from "../../folder/index.ts";
import { closeClient } from "../../postgres/index.ts";
import { connectTo, ownTablesOf } from "../../review/catalog/index.ts";
import { dumpSchema, type SchemaDump } from "../../review/dump/index.ts";
import { defineCommand, toggle, type Values } from "../command.ts";
import { DATABASE_FLAGS, engineOptions, listingOptions } from "../flags.ts";
import { colorDifference, compareDump, readDump, writeDump } from "../output/dump-file.ts";
import { printJson } from "../output/json.ts";
import { createPrinter, type Printer } from "../output/printer.ts";
import { readProvenance } from "../provenance.ts";
import { chooseTarget, type Target } from "../settings/target.ts";
import { commandLine, EXIT, type World } from "../world.ts";

const DUMP_FLAGS = {
  output: {
    ...v.string(),
    written: "--output <file>",
    meaning: "where to; - is the standard output",
    defaultValue: "schema.sql",
  },
  force: toggle("--force", "also replace a file that dump has not written"),
  check: toggle("--check", "write nothing; exit with 1 when the file is not what would be written"),
  ...DATABASE_FLAGS,
};

type DumpFlags = Values<typeof DUMP_FLAGS>;

export const dump = defineCommand({
  name: "dump",
  summary: "write the schema of the database to a file, the same for the same schema",
  input: {},
  flags: DUMP_FLAGS,
  run: (world, flags) => writeSchema(world, flags),
});

async function writeSchema(world: World, flags: DumpFlags): Promise<number> {
  const toStdout = flags.output === "-";
  if (toStdout && (flags.json || flags.check)) {
    throw new MigrationError("USAGE", `--output - goes with neither --json nor --check`, {
      hint: "Name a file.",
    });
  }
  const printer = createPrinter(world, flags.json || toStdout ? world.stderr : world.stdout);
  const target = await chooseTarget(world, flags);
  const remarks = createPrinter(world, world.stderr);
  for (const note of target.notes) remarks.line(remarks.colors.dim(note));
  const schema = await readSchema(world, target, flags);
  const pending = await readPending(world, target, flags);
  if (flags.check) return check(world, flags, schema, { printer, pending });
  if (toStdout) world.stdout.write(schema.sql);
  else await writeDump(resolve(world.cwd, flags.output), schema.sql, { force: flags.force === true });
  const { omitted } = schema;
  if (flags.json) printJson(world, "dump", { output: flags.output, omitted, pending, difference: null });
  else if (!toStdout) printer.line(`Wrote ${flags.output}.`);
  remark(printer, omitted, pending);
  return EXIT.done;
}

async function check(
  world: World,
  flags: DumpFlags,
  { sql, omitted }: SchemaDump,
  { printer, pending }: { readonly printer: Printer; readonly pending: readonly string[] },
): Promise<number> {
  const file = await readDump(resolve(world.cwd, flags.output));
  const difference = compareDump(flags.output, file ?? "", sql);
  const ok = difference === undefined;
  if (flags.json) {
    const found = { output: flags.output, exists: file !== undefined, omitted, pending };
    printJson(world, "dump", { ...found, difference: difference ?? null, ok });
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

async function readSchema(world: World, target: Target, flags: DumpFlags): Promise<SchemaDump> {
  const client = await connectTo(target.connection, world.signal);
  try {
    return await dumpSchema(client, { exclude: ownTablesOf(engineOptions(flags)) });
  } finally {
    await closeClient(client);
  }
}

/** Names of pending migrations. A schema can be written where there is no folder, or none that can be read. */
async function readPending(world: World, target: Target, flags: DumpFlags): Promise<string[]> {
  try {
    const source = await openFolder(resolve(world.cwd, flags.migrationsDir), listingOptions(flags));
    const migrator = new Migrator({
      connection: target.connection,
      source,
      provenance: readProvenance(source.dir),
      options: engineOptions(flags),
      signal: world.signal,
    });
    const { migrations } = await migrator.status();
    return migrations.filter(({ state }) => state === "pending").map(({ name }) => name);
  } catch {
    return [];
  }
}
