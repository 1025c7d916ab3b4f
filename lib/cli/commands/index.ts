import type { CliCommand } from "../command.ts";
import { create } from "./create.ts";
import { databaseCommands } from "./database.ts";
import { dump } from "./dump.ts";
import { history } from "./history.ts";
import { lint } from "./lint.ts";
import { plan } from "./plan.ts";
import { baseline, repair, resolve } from "./repair-resolve-baseline.ts";
import { report } from "./report.ts";
import { squash } from "./squash.ts";
import { status } from "./status.ts";
import { down, redo, up } from "./up-down-redo.ts";
import { verify } from "./verify.ts";

/** Every command, in the order of --help. */
export const CLI_COMMANDS: readonly CliCommand[] = [
  up,
  down,
  redo,
  create,
  status,
  plan,
  history,
  lint,
  verify,
  report,
  dump,
  squash,
  repair,
  resolve,
  baseline,
  ...databaseCommands,
];
