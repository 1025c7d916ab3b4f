import { resolve } from "node:path";
import { openFolder } from "../../folder/index.ts";
import { verifyMigrations } from "../../review/verify/index.ts";
import { defineCommand, toggle } from "../command.ts";
import { DATABASE_FLAGS, engineOptions, listingOptions } from "../flags.ts";
import { printJson } from "../output/json.ts";
import { createPrinter } from "../output/printer.ts";
import { createWatch } from "../output/progress.ts";
import { renderVerify, withHint } from "../output/verify-report.ts";
import { visibleAll } from "../output/visible.ts";
import { chooseScratch } from "../settings/scratch.ts";
import { EXIT } from "../world.ts";

export const verify = defineCommand({
  name: "verify",
  summary: "prove on a scratch database that every migration can be undone",
  input: {},
  flags: { keep: toggle("--keep", "leave the scratch database for a look at it"), ...DATABASE_FLAGS },
  // Exit code 1 when a migration cannot be undone, or its undoing leaves something behind; 3 when one was not checked.
  run: async (world, flags) => {
    const source = await openFolder(resolve(world.cwd, flags.migrationsDir), listingOptions(flags));
    const remarks = createPrinter(world, flags.json ? world.stderr : world.stdout);
    const { scratch, notes } = await chooseScratch(world, flags);
    for (const note of notes) remarks.line(remarks.colors.dim(note));
    const result = await verifyMigrations({
      scratch,
      source,
      options: engineOptions(flags),
      signal: world.signal,
      keep: flags.keep === true,
      observe: createWatch(world, flags.json ? world.stderr : world.stdout),
      onProgress: ({ name, status }) => remarks.line(`  ${remarks.colors.dim(status.padEnd(12))} ${name}`),
    });
    const report = withHint(result);
    if (flags.json) printJson(world, "verify", report);
    else for (const line of renderVerify(visibleAll(report), remarks.colors)) remarks.verbatim(line);
    if (report.ok) return EXIT.done;
    return report.migrations.some(({ status }) => status === "failed") ? EXIT.failed : EXIT.workFound;
  },
});
