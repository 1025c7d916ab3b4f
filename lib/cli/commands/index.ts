import type { CliCommand } from "../command.ts";
import { comment } from "./comment.ts";
import { create } from "./create.ts";
import { databaseCommands } from "./database.ts";
import { dump } from "./dump.ts";
import { fleet } from "./fleet.ts";
import { history } from "./history.ts";
import { importFrom } from "./import.ts";
import { lint } from "./lint.ts";
import { plan } from "./plan.ts";
import { baseline, rename, repair, resolve } from "./repair-resolve-baseline.ts";
import { report } from "./report.ts";
import { review } from "./review.ts";
import { squash } from "./squash.ts";
import { status } from "./status.ts";
import { down, redo, up } from "./up-down-redo.ts";
import { verify } from "./verify.ts";

/** Every command, in the groups and the order of --help. */
export const COMMAND_GROUPS: Readonly<Record<string, readonly CliCommand[]>> = {
  "Every day:": [create, plan, up, status],
  "Undo:": [down, redo, history],
  "Before a release:": [review, comment, lint, verify, report, dump, squash],
  "Many schemas or databases:": [fleet],
  "Where a person decides:": [repair, rename, resolve, baseline, importFrom],
  "The embedded Postgres:": databaseCommands,
};

export const CLI_COMMANDS: readonly CliCommand[] = Object.values(COMMAND_GROUPS).flat();
