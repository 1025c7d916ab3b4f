import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { closeClient } from "../../migrator/index.ts";
import { connectTo, ownTablesOf } from "../catalog/index.ts";
import { checkDump, dumpSchema } from "../dump/index.ts";
import { printJson } from "../output/json.ts";
import { createPrinter } from "../output/printer.ts";
import { chooseTarget } from "../settings/target.ts";
import { commandLine, EXIT, type World } from "../world.ts";
import { engineOptions } from "./context.ts";
import type { DatabaseFlags } from "./flags.ts";

export interface DumpFlags extends DatabaseFlags {
  readonly output: string;
  readonly check?: boolean;
}

/** Writes the schema to a file; with `--check`, exits with 1 when the file is not what would be written. */
export async function dump(world: World, flags: DumpFlags): Promise<number> {
  const printer = createPrinter(world, flags.json ? world.stderr : world.stdout);
  const target = await chooseTarget(world, flags);
  const remarks = createPrinter(world, world.stderr);
  for (const note of target.notes) remarks.line(remarks.colors.dim(note));
  const client = await connectTo(target.connection, world.signal);
  const { sql, omitted } = await dumpSchema(client, { exclude: ownTablesOf(engineOptions(flags)) }).finally(
    () => closeClient(client),
  );
  const path = resolve(world.cwd, flags.output);
  const difference = flags.check ? await checkDump(path, sql) : undefined;
  if (!flags.check) await writeFile(path, sql);
  if (flags.json) printJson(world, "dump", { output: flags.output, omitted, difference: difference ?? null });
  else if (difference !== undefined) {
    printer.verbatim(difference);
    printer.line(
      `${flags.output} is not the schema of this database: ${commandLine("dump")} writes it anew.`,
    );
  } else printer.line(flags.check ? `${flags.output} is up to date.` : `Wrote ${flags.output}.`);
  for (const name of omitted) printer.line(`Not in it: ${name}`);
  return difference === undefined ? EXIT.done : EXIT.failed;
}
