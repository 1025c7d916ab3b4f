import { COMMANDS } from "../../commands/index.ts";
import { defineCommand, parsed, positive, toggle } from "../command.ts";
import { DATABASE_FLAGS } from "../flags.ts";
import { printHistory } from "../output/history.ts";
import { printJson } from "../output/json.ts";
import { EXIT } from "../world.ts";
import { withDatabaseAlone } from "./context.ts";

const { fields } = COMMANDS.history;

export const history = defineCommand({
  name: "history",
  summary: COMMANDS.history.summary,
  input: {
    migration: { ...fields.migration, written: "--migration <name>" },
    action: { ...fields.action, written: "--action <action>" },
    state: { ...fields.state, written: "--state <state>" },
    limit: parsed("--limit <number>", fields.limit.meaning, positive),
  },
  flags: {
    failed: {
      ...toggle("--failed", "only what failed, as --state failed"),
      conflicts: ["state"],
    },
    ...DATABASE_FLAGS,
  },
  run: (world, flags, input) => {
    const filter = flags.failed ? { ...input, state: "failed" as const } : input;
    const remarksTo = flags.json ? world.stderr : world.stdout;
    return withDatabaseAlone(world, flags, { remarksTo }, async ({ migrator, printer }) => {
      const report = await COMMANDS.history.run(migrator, filter);
      if (flags.json) printJson(world, "history", report);
      else printHistory(printer, report, filter.migration);
      return EXIT.done;
    });
  },
});
