import { COMMANDS } from "../../commands/index.ts";
import type { RunReport } from "../../core/index.ts";
import type { Migrator } from "../../engine/index.ts";
import { count, defineCommand, parsed, toggle } from "../command.ts";
import { type DatabaseFlags, RUN_FLAGS } from "../flags.ts";
import { printJson } from "../output/json.ts";
import { printReport, type RunCommand } from "../output/report.ts";
import { isOwnDatabase } from "../settings/advise.ts";
import type { Target } from "../settings/target.ts";
import { EXIT, type World } from "../world.ts";
import { withContext } from "./context.ts";
import { showPlan } from "./plan.ts";

const dryRun = toggle("--dry-run", "show the SQL, run nothing");

const upFields = COMMANDS.up.fields;

export const up = defineCommand({
  name: "up",
  summary: COMMANDS.up.summary,
  input: {
    count: parsed("[count]", upFields.count.meaning, count),
    to: { ...upFields.to, written: "--to <name>" },
    fake: { ...upFields.fake, written: "--fake" },
  },
  flags: { dryRun, ...RUN_FLAGS },
  run: (world, flags, input) => {
    const { fake, ...extent } = input;
    if (flags.dryRun) return showPlan(world, flags, extent);
    return run(world, { command: "up", flags, extent, fake }, (migrator) => COMMANDS.up.run(migrator, input));
  },
});

const downFields = COMMANDS.down.fields;

const undoInput = {
  count: parsed("[count]", downFields.count.meaning, count),
  batch: { ...downFields.batch, written: "--batch" },
  from: { ...downFields.from, written: "--from <source>" },
};

export const down = defineCommand({
  name: "down",
  summary: COMMANDS.down.summary,
  input: {
    ...undoInput,
    to: { ...downFields.to, written: "--to <name>" },
    fake: { ...downFields.fake, written: "--fake" },
  },
  flags: { dryRun, ...RUN_FLAGS },
  run: (world, flags, input) => {
    const { fake, ...extent } = input;
    if (flags.dryRun) return showPlan(world, flags, { ...extent, down: true });
    return run(world, { command: "down", flags, extent, fake }, (migrator) =>
      COMMANDS.down.run(migrator, input),
    );
  },
});

export const redo = defineCommand({
  name: "redo",
  summary: COMMANDS.redo.summary,
  input: undoInput,
  flags: RUN_FLAGS,
  // Where a migration is being written, its down changes with it: what was applied is undone as it was recorded.
  run: (world, flags, input) =>
    run(world, { command: "redo", flags, extent: input }, (migrator, target) =>
      migrator.redo({ ...input, preferHistory: isOwnDatabase(target, world) }),
    ),
});

interface Run {
  readonly command: RunCommand;
  readonly flags: DatabaseFlags;
  readonly extent: { readonly count?: number; readonly to?: string };
  readonly fake?: boolean | undefined;
}

function run(
  world: World,
  { command, flags, extent, fake = false }: Run,
  perform: (migrator: Migrator, target: Target) => Promise<RunReport>,
): Promise<number> {
  const remarksTo = flags.json ? world.stderr : world.stdout;
  return withContext(world, flags, { remarksTo }, async ({ migrator, printer, target }) => {
    const report = await perform(migrator, target);
    if (flags.json) printJson(world, command, report);
    else printReport(printer, { command, extent, report, fake });
    return EXIT.done;
  });
}
